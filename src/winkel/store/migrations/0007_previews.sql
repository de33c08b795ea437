-- Previews of events leave out those that were counted already.

-- Which of these event identities are remembered since a day. The API may ask, and sees nothing else of dedupe_run: an
-- identity is made with a secret, so nobody can ask for another tenant's. Runs are searched as meter/dedupe.py packs them.
CREATE FUNCTION winkel_remembered(space text, since date, identities bytea[]) RETURNS SETOF bytea
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    identity bytea;
    bucket integer;
    run record;
    low integer;
    high integer;
    middle integer;
BEGIN
    FOREACH identity IN ARRAY identities LOOP
        bucket := get_byte(identity, 0) * 16 + get_byte(identity, 1) / 16;
        FOR run IN SELECT keys, data FROM dedupe_run
                   WHERE topic = space AND day >= since AND bucket_low <= bucket AND bucket < bucket_high
        LOOP
            low := 0;
            high := run.keys;
            WHILE low < high LOOP
                middle := (low + high) / 2;
                IF substring(run.data FROM middle * 20 + 1 FOR 16) < identity THEN
                    low := middle + 1;
                ELSE
                    high := middle;
                END IF;
            END LOOP;
            IF substring(run.data FROM low * 20 + 1 FOR 16) = identity THEN
                RETURN NEXT identity;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
END $$;
