using System.Text.Json;
using Parquet;
using Parquet.Serialization;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>--fields, --label-names, and Parquet files.</summary>
public sealed class DataFlagsTests
{
    private const string Metadata = """
        {"info": {"features": {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}}
        """;

    [Test]
    public void Columns_are_renamed_and_dropped_and_labels_named()
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("a.csv", "Tweet text,Label,ID\nA ship,0,7\nA star,1,8\n");

        var run = Eval(data, "--fields", "Tweet text=text,Label=label,ID=", "--label-names", "0=no complaint,1=complaint");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("accuracy").GetDouble(), Is.InRange(0, 1));
    }

    [TestCase("Tweet text=text,Label=label", "", "\"ID\" does not belong here")]
    [TestCase("Tweet text=text,Label=text,ID=", "", "--fields names \"text\" twice, for \"Tweet text\" and \"Label\"")]
    [TestCase("Tweet text=text,Tweet text=label,ID=", "", "--fields has \"Tweet text\" twice")]
    [TestCase("Tweet text", "", "--fields has \"Tweet text\", expected COLUMN=NAME")]
    [TestCase("Tweet=text,Label=label,ID=", "", "\"Tweet\", but there is no such column; did you mean Tweet text?")]
    [TestCase("Tweet text=,Label=label,ID=", "", "the field \"text\" is missing")]
    [TestCase("Tweet text=text,Label=label,ID=", "0=no", "the label \"1\" has no name")]
    [TestCase("Tweet text=text,Label=label,ID=", "0=", "--label-names gives \"0\" no name")]
    public void Names_that_do_not_fit_are_refused_with_one_sentence(string fields, string labels, string sentence)
    {
        using var directory = new TemporaryDirectory();
        var run = Eval(directory.Write("a.csv", "Tweet text,Label,ID\nA ship,0,7\nA star,1,8\n"), "--fields", fields, "--label-names", labels);
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Error);
        Assert.That(run.Error, Does.Contain(sentence));
    }

    [TestCase(CompressionMethod.Snappy)]
    [TestCase(CompressionMethod.Zstd)]
    public async Task Parquet_files_of_the_hub_are_read(CompressionMethod compression)
    {
        using var directory = new TemporaryDirectory();
        var metadata = new Dictionary<string, string> { ["huggingface"] = Metadata };
        await ParquetSerializer.SerializeAsync([new Labelled { text = "A ship", label = 1 }, new Labelled { text = "A star", label = 0 }],
            Path.Combine(directory.FullPath, "test-00000-of-00001.parquet"), new ParquetOptions { CompressionMethod = compression }, metadata);

        var run = Eval(directory.FullPath);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("accuracy").GetDouble(), Is.InRange(0, 1));
        Assert.That(run.Error, Does.Contain("the numbers in \"label\" have names in the file, which --label-names \"0=neg,1=pos\" uses"));
        Assert.That(Eval(directory.FullPath, "--label-names", "0=neg,1=pos").Error, Does.Not.Contain("have names"));
    }

    [Test]
    public async Task Lists_structures_numbers_and_nulls_of_parquet_files_become_json()
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.FullPath, "a.parquet");
        var rows = new[]
        {
            new Mixed
            {
                tokens = ["a", "b"], tags = [0, 3], score = 0.5, answers = new Answers { text = ["x", "y"], answer_start = [1, 2] },
                picture = [1],
            },
            new Mixed { name = "é" }, new Mixed { tokens = null, tags = null, answers = null }, new Mixed { tokens = ["c", null], tags = [7] },
        };
        await ParquetSerializer.SerializeAsync(rows, path, new ParquetOptions { RowGroupSize = 1 });

        string[] read = [.. ParquetRows.Read(path, _ => { }).Select(row => JsonSerializer.Serialize(row))];
        Assert.That(read[0], Is.EqualTo("""
            {"tokens":["a","b"],"tags":[0,3],"score":0.5,"name":null,"answers":{"text":["x","y"],"answer_start":[1,2]},"picture":null}
            """));
        Assert.That(read[1], Is.EqualTo("""
            {"tokens":[],"tags":[],"score":0,"name":"\u00E9","answers":{"text":[],"answer_start":[]},"picture":null}
            """));
        Assert.That(read[2], Is.EqualTo("""{"tokens":null,"tags":null,"score":0,"name":null,"answers":null,"picture":null}"""));
        Assert.That(read[3], Does.StartWith("""{"tokens":["c",null],"tags":[7],"""));
    }

    [Test]
    public void A_damaged_parquet_file_is_refused_with_one_sentence()
    {
        using var directory = new TemporaryDirectory();
        var run = Eval(directory.Write("a.parquet", "PAR1 this is no table, but it is long enough"));
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Error);
        Assert.That(run.Error, Does.Contain("a.parquet: not a Parquet file that can be read"));
        Assert.That(Eval(Path.Combine(directory.FullPath, "none.parquet")).ExitCode, Is.EqualTo(2));
    }

    private static ToolRun Eval(string data, params string[] flags) =>
        ToolRun.Of(["eval", "--json", "--model", Bundled.BaseLlama, "--data", data, .. flags]);

#pragma warning disable IDE1006 // The names of columns.
    internal sealed class Labelled
    {
        public string text { get; set; } = "";

        public long label { get; set; }
    }

    internal sealed class Mixed
    {
        public List<string?>? tokens { get; set; } = [];

        public List<long>? tags { get; set; } = [];

        public double score { get; set; }

        public string? name { get; set; }

        public Answers? answers { get; set; } = new();

        public byte[]? picture { get; set; }
    }

    internal sealed class Answers
    {
        public List<string> text { get; set; } = [];

        public List<int> answer_start { get; set; } = [];
    }
#pragma warning restore IDE1006
}
