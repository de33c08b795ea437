-- What a void invoice asked for, and the one made anew does not, may be due at once.

CREATE TRIGGER invoice_made_anew AFTER INSERT ON invoice FOR EACH ROW
    WHEN (NEW.regenerated_from_invoice_id IS NOT NULL) EXECUTE FUNCTION bill_now();
