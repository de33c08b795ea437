package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.Stores;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;

/** Events without their duplicates, counted and summed per customer, model and hour: the peer's own way. */
public final class Usage {
    static final long REMEMBERED_MS = Duration.ofDays(34).toMillis();

    record Event(String group, long timestamp, long tokens) {}

    record Total(long count, long tokens) {
        Total plus(long more) {
            return new Total(count + 1, tokens + more);
        }
    }

    public static void main(String[] args) {
        Properties config = config();
        KafkaStreams streams = new KafkaStreams(topology(env("SOURCE", "events"), env("SINK", "usage")), config);
        streams.setStateListener((now, before) -> say("STATE " + now));
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(60))));
        streams.start();
    }

    static Topology topology(String source, String sink) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("seen"), Serdes.Bytes(), Serdes.Long())
                .withCachingDisabled()  // nearly every key is new: a cache in front would only cost
                .withLoggingEnabled(Map.of()));
        Serde<Total> totals = Serdes.serdeFrom(
                (topic, t) -> t == null ? null : ByteBuffer.allocate(16).putLong(t.count).putLong(t.tokens).array(),
                (topic, b) -> b == null ? null : new Total(ByteBuffer.wrap(b).getLong(0), ByteBuffer.wrap(b).getLong(8)));
        builder.stream(source, Consumed.with(Serdes.Bytes(), Serdes.ByteArray()))
                .process(Dedupe::new, "seen")
                .repartition(Repartitioned.with(Serdes.String(), Serdes.Long()).withName("usage").withNumberOfPartitions(8))
                .groupByKey(Grouped.with(Serdes.String(), Serdes.Long()))
                .aggregate(() -> new Total(0, 0), (group, tokens, total) -> total.plus(tokens),
                        Materialized.<String, Total>as(Stores.persistentKeyValueStore("totals"))
                                .withKeySerde(Serdes.String()).withValueSerde(totals).withCachingEnabled())
                .toStream()
                .mapValues(Usage::json)
                .to(sink, Produced.with(Serdes.String(), Serdes.ByteArray()));
        return builder.build();
    }

    /** Lets the first of equal transaction ids through, re-keyed by customer, model and hour. */
    static final class Dedupe implements Processor<Bytes, byte[], String, Long> {
        private KeyValueStore<Bytes, Long> seen;
        private ProcessorContext<String, Long> context;

        @Override
        public void init(ProcessorContext<String, Long> context) {
            this.context = context;
            seen = context.getStateStore("seen");
        }

        @Override
        public void process(Record<Bytes, byte[]> record) {
            Event event = parse(record.value());
            Long before = seen.get(record.key());
            if (before != null && Math.abs(event.timestamp - before) <= REMEMBERED_MS) {
                return;
            }
            seen.put(record.key(), event.timestamp);
            context.forward(record.withKey(event.group).withValue(event.tokens));
        }
    }

    private static final JsonFactory JSON = new JsonFactory();

    static Event parse(byte[] value) {
        String customer = null, model = null, timestamp = null;
        long tokens = 0;
        try (JsonParser parser = JSON.createParser(value)) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (token != JsonToken.FIELD_NAME) {
                    continue;
                }
                String name = parser.currentName();
                token = parser.nextToken();
                if (token == JsonToken.START_OBJECT) {
                    continue;
                }
                switch (name) {
                    case "customer_id" -> customer = parser.getText();
                    case "timestamp" -> timestamp = parser.getText();
                    case "model" -> model = parser.getText();
                    case "tokens" -> tokens = parser.getLongValue();
                    default -> { }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Event(customer + '|' + model + '|' + timestamp.substring(0, 13), millis(timestamp), tokens);
    }

    /** Milliseconds of a timestamp; by hand for the usual form, as Instant.parse took 8 % of the stream threads' time. */
    static long millis(String t) {
        if (t.length() != 24 || t.charAt(23) != 'Z' || t.charAt(19) != '.') {
            return Instant.parse(t).toEpochMilli();
        }
        long day = LocalDate.of(digits(t, 0, 4), digits(t, 5, 7), digits(t, 8, 10)).toEpochDay();
        return (((day * 24 + digits(t, 11, 13)) * 60 + digits(t, 14, 16)) * 60 + digits(t, 17, 19)) * 1000 + digits(t, 20, 23);
    }

    private static int digits(String t, int from, int to) {
        int n = 0;
        for (int i = from; i < to; i++) {
            n = n * 10 + t.charAt(i) - '0';
        }
        return n;
    }

    static byte[] json(Total total) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(48);
        try (JsonGenerator g = JSON.createGenerator(out)) {
            g.writeStartObject();
            g.writeNumberField("count", total.count);
            g.writeNumberField("tokens", total.tokens);
            g.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    static Properties config() {
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, env("APPLICATION", "usage-streams"));
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env("BOOTSTRAP", "127.0.0.1:9092"));
        p.put(StreamsConfig.STATE_DIR_CONFIG, env("STATE_DIR", "state"));
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, env("GUARANTEE", StreamsConfig.EXACTLY_ONCE_V2));
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, env("COMMIT_MS", "100"));
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, env("THREADS", "2"));
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, env("CACHE_BYTES", "268435456"));
        p.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Rocks.class);
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "5000");
        p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, "5000");
        p.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), env("COMPRESSION", "lz4"));
        p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), env("LINGER_MS", "100"));
        p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), "262144");
        p.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), "134217728");
        return p;
    }

    /** RocksDB as Kafka's memory guide shows it: one block cache for all stores, plus a bloom filter for ids never seen before. */
    public static final class Rocks implements RocksDBConfigSetter {
        private static final Cache CACHE = new LRUCache(1L << 30);
        private static final BloomFilter FILTER = new BloomFilter(10);

        @Override
        public void setConfig(String store, Options options, Map<String, Object> configs) {
            BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
            table.setBlockCache(CACHE);
            table.setFilterPolicy(FILTER);
            options.setTableFormatConfig(table);
        }

        @Override
        public void close(String store, Options options) { }  // cache and filter live as long as the process
    }

    private static String env(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    private static void say(String line) {
        System.out.println(System.currentTimeMillis() + " " + line);
        System.out.flush();
    }
}
