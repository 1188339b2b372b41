using System.Text.Json;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using PeftCore.Tokenizers;

namespace PeftCore.Bench;

/// <summary>Encoding and decoding of texts on one core: the bundled training data through the bundled tokenizer and those of the test
/// fixtures, or through the tokenizer.json of the directories in PEFTCORE_TOKENIZERS (with the system's path separator between). The peer
/// is bench/peers/tokenizer_rust on the same texts.</summary>
[Config(typeof(Settings))]
public class TokenizerBenchmark
{
    private Tokenizer? _tokenizer;
    private string[] _texts = [];
    private int[][] _ids = [];

    public static IEnumerable<Place> Places => Environment.GetEnvironmentVariable("PEFTCORE_TOKENIZERS") is { Length: > 0 } named
        ? named.Split(Path.PathSeparator).Select(directory => new Place(directory))
        : [new Place(Repository.Path("src", "PeftCore.Cli", "Demo", "base-llama")), .. Fixtures];

    [ParamsSource(nameof(Places))]
    public Place Tokenizer { get; set; } = new("");

    private static IEnumerable<Place> Fixtures =>
        new[] { "byte_bpe", "sentencepiece_bpe", "wordpiece",
            "unigram" }.Select(name => new Place(Repository.Path("tests", "fixtures", "tokenizers", name)));

    [GlobalSetup]
    public void Setup()
    {
        _tokenizer = PeftCore.Tokenizers.Tokenizer.FromDirectory(Tokenizer.Directory);
        _texts = Texts();
        _ids = [.. _texts.Select(text => _tokenizer.Encode(text).Ids.ToArray())];
    }

    [Benchmark]
    public int Encode()
    {
        int tokens = 0;
        foreach (string text in _texts)
        {
            tokens += _tokenizer!.Encode(text).Ids.Length;
        }
        return tokens;
    }

    [Benchmark]
    public int Decode()
    {
        int characters = 0;
        foreach (int[] ids in _ids)
        {
            characters += _tokenizer!.Decode(ids).Length;
        }
        return characters;
    }

    /// <summary>The strings of the bundled training data, prompts and completions.</summary>
    private static string[] Texts() =>
    [
        .. File.ReadLines(Repository.Path("src", "PeftCore.Cli", "Demo", "data", "train.jsonl")).SelectMany(line =>
        {
            using var row = JsonDocument.Parse(line);
            return row.RootElement.EnumerateObject().Where(field => field.Value.ValueKind == JsonValueKind.String)
                .Select(field => field.Value.GetString()!).ToArray();
        }),
    ];

    /// <summary>A directory with a tokenizer.json, shown by its name.</summary>
    public sealed record Place(string Directory)
    {
        public override string ToString() => Path.GetFileName(Path.TrimEndingDirectorySeparator(Directory));
    }

    private sealed class Settings : ManualConfig
    {
        public Settings()
        {
            double bytes = Texts().Sum(text => (double)System.Text.Encoding.UTF8.GetByteCount(text));
            AddColumn(new Rate("MB/s", "UTF-8 bytes of the text; peer: bench/peers/tokenizer_rust;", _ => 1e3 * bytes));
        }
    }
}
