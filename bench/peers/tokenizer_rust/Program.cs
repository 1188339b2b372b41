using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

// Hugging Face tokenizers (Rust) through Tokenizers.DotNet, on the texts of TokenizerBenchmark, one after the other: a peer that needs no
// Python.
//     dotnet run -c Release --project bench/peers/tokenizer_rust -- src/PeftCore.Cli/Demo/data/train.jsonl DIR …
string[] texts =
[
    .. File.ReadLines(args[0]).SelectMany(line =>
    {
        using var row = JsonDocument.Parse(line);
        return row.RootElement.EnumerateObject().Where(field => field.Value.ValueKind == JsonValueKind.String)
            .Select(field => field.Value.GetString()!).ToArray();
    }),
];
double bytes = texts.Sum(text => (double)Encoding.UTF8.GetByteCount(text));
foreach (string directory in args[1..])
{
    using var tokenizer = new Tokenizers.DotNet.Tokenizer(Path.Combine(directory, "tokenizer.json"));
    uint[][] ids = [.. texts.Select(tokenizer.Encode)];
    double encode = Rate(() => Array.ForEach(texts, text => tokenizer.Encode(text))),
        decode = Rate(() => Array.ForEach(ids, row => tokenizer.Decode(row)));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{directory}: encode {encode:0.0} MB/s, decode {decode:0.0} MB/s"));
}

double Rate(Action run)
{
    var times = new List<double>();
    for (int i = 0; i < 23; i++)
    {
        long start = Stopwatch.GetTimestamp();
        run();
        times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
    }
    return bytes / times.Skip(3).Order().ElementAt(10) / 1e6;
}
