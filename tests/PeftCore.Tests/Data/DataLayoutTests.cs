using System.IO.Compression;
using System.Text;
using PeftCore.Data;

namespace PeftCore.Tests.Data;

/// <summary>Files whose layout differs from their extension, and files that are not data.</summary>
public sealed class DataLayoutTests
{
    private readonly List<string> _warnings = [];
    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory()
    {
        _directory = new TemporaryDirectory();
        _warnings.Clear();
    }

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [TestCase("a.jsonl", "[{\"text\": \"x\"},\n {\"text\": \"y\"}]", "the file is one list of rows")]
    [TestCase("a.jsonl", "{\"data\": [{\"text\": \"x\"}, {\"text\": \"y\"}]}", "its rows were read from the list in \"data\"")]
    [TestCase("a.json", "{\n \"version\": \"1.1\",\n \"rows\": [\n {\"text\": \"x\"},\n {\"text\": \"y\"}\n ]\n}\n",
        "the list in \"rows\"; its other fields (version) were left out")]
    [TestCase("a.jsonl", "{\n  \"text\": \"x\"\n}\n{\n  \"text\": \"y\"\n}\n", "the 2 objects are not one a line")]
    [TestCase("a.jsonl", "{\"text\": \"x\"}\r{\"text\": \"y\"}\r", "the 2 objects are not one a line")]
    public void Rows_in_another_layout_are_read_and_it_is_said(string name, string text, string sentence)
    {
        Assert.That(Texts(name, text), Is.EqualTo(new[] { "x", "y" }));
        Assert.That(_warnings, Has.Count.EqualTo(1));
        Assert.That(_warnings[0], Does.StartWith(_directory[name]).And.Contain(sentence).And.EndWith("."));
    }

    [Test]
    public void One_row_written_with_indentation_is_read_as_one_row_and_it_is_said()
    {
        Assert.That(Texts("a.jsonl", "{\n  \"text\": \"x\"\n}\n"), Is.EqualTo(new[] { "x" }));
        Assert.That(_warnings.Single(), Does.Contain("the file is one object").And.Contain("read as one row"));
    }

    [TestCase("a.json", "{\"text\": \"x\"}\n{\"text\": \"y\"}")]
    [TestCase("a.jsonl", "\uFEFF{\"text\": \"x\"}\r\n\r\n{\"text\": \"y\"}\r\n")]
    [TestCase("a.csv", "\uFEFFtext\r\nx\r\ny\r\n")]
    [TestCase("a.csv", "text\rx\ry\r")]
    [TestCase("a.csv", "\"text\"\n\"x\"\n\"y\"")]
    [TestCase("a.tsv", "text\nx\ny\n")]
    public void Usual_layouts_are_read_without_a_word(string name, string text)
    {
        Assert.That(Texts(name, text), Is.EqualTo(new[] { "x", "y" }));
        Assert.That(_warnings, Is.Empty);
    }

    [Test]
    public void The_lines_of_spread_objects_are_counted_from_where_each_begins()
    {
        File.WriteAllText(_directory["a.jsonl"], "{\n\"text\": \"x\"\n}\n\n{\n\"txet\": \"y\"\n}\n");
        Assert.That(() => Read("a.jsonl"), Throws.TypeOf<BadInputException>().With.Message.Contains("a.jsonl, line 5: the field \"txet\""));
        File.WriteAllText(_directory["b.json"], "{\n\"data\": [\n{\"text\": \"x\"},\n{\"text\": 1}]}");
        Assert.That(() => Read("b.json"), Throws.TypeOf<BadInputException>().With.Message.Contains("b.json, line 4: \"text\" is 1"));
    }

    [TestCase("a.jsonl", "{\"train\": [{\"text\": \"x\"}], \"test\": [{\"text\": \"y\"}]}", "several lists of rows (train, test)")]
    [TestCase("a.json", "{\"Text\": [\"x\", \"y\"], \"Label\": [0, 1]}", "a table by columns")]
    [TestCase("a.json", "{\"Text\": {\"0\": \"x\", \"1\": \"y\"}}", "a table by columns")]
    [TestCase("a.jsonl", "{\"text\": \"x\"},\n{\"text\": \"y\"},\n", ", line 1: not valid JSON: ',' is invalid after a single JSON value")]
    [TestCase("a.jsonl", "{\"text\": \"x\"},\n", "no comma follows it")]
    [TestCase("a.jsonl", "{\"text\": NaN}\n", "JSON has no NaN and no Infinity")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"label\": -Infinity}\n", ", line 1: not valid JSON")]
    [TestCase("a.jsonl", "{'text': 'x'}\n", "double quotes")]
    [TestCase("a.jsonl", "{\n\"text\": \"x\"\n} {\n\"text\": \"y\"\n}\n", ", line 1: not valid JSON")]
    [TestCase("a.jsonl", "{\n\"text\": \"x\",\n\"text\": \"y\"\n}\n", "not valid JSON")]
    [TestCase("a.jsonl", "[{\"text\": \"x\"}]\n[{\"text\": \"y\"}]\n", "not valid JSON")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"prompt\": \"p\", \"completion\": \"c\"}\n", "does not belong here")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"messages\": []}\n", "does not belong here")]
    [TestCase("a.jsonl", "{\"messages\": \"[{\\\"role\\\": \\\"user\\\"}]\"}\n", "leave out the quotes around it")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"label\": 1}\n{\"text\": \"y\", \"label\": \"1\"}\n",
        ", line 2: \"label\" is a text of digits here and a number on line 1")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"label\": \"0\"}\n{\"text\": \"y\", \"label\": 1}\n",
        ", line 2: \"label\" is a number here and a text of digits on line 1")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"label\": true}\n", "\"label\" is true, expected an integer or a string")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"label\": 1.0}\n", "\"label\" is 1.0, expected an integer")]
    [TestCase("a.csv", "Tweet text,Label,ID\nx,1,2\n", "the first line names the columns, here \"Tweet text\", \"Label\", \"ID\"")]
    [TestCase("a.csv", "I love it,1\nI hate it,0\n", "the first line names the columns, here \"I love it\", \"1\"")]
    [TestCase("a.csv", "Text;Label\nx;1\n", "the first line names the columns, here \"Text\", \"Label\"")]
    [TestCase("a.csv", ",text,label\n0,x,1\n", "column 1 of 3 has no name; if it numbers the rows, leave it out")]
    [TestCase("a.csv", "text,label,\nx,1,\n", "column 3 of 3 has no name; leave out commas at the end of the line")]
    [TestCase("a.csv", "text,label\nx,1,\n",
        ", line 2: the row has 3 fields, but the header names 2 (text, label); leave out commas at the end of the line")]
    [TestCase("a.csv", "# made by hand\ntext,label\nx,1\n", ", line 1: the field \"# made by hand\" does not belong here")]
    [TestCase("a.csv", "text,label\nI came, I saw,1\n", ", line 2: the row has 3 fields, but the header names 2")]
    [TestCase("a.csv", "text,label\n \"x\",1\n", ", line 2: a quote stands inside a field without quotes")]
    [TestCase("a.csv", "text;label\n\"x;1\n", ", line 2: a quote opens a field and is never closed")]
    [TestCase("a.csv", "text;label;label\nx;1;2\n", "two fields are named \"label\"")]
    [TestCase("a.dev", "+1 x\n", ", line 1: expected a class number")]
    [TestCase("a.dev", "1,000 x\n", ", line 1: expected a class number")]
    [TestCase("a.txt", "one\ntw\0o\n", ", line 2: the text holds a NUL byte")]
    public void What_cannot_be_meant_is_refused(string name, string text, string problem)
    {
        File.WriteAllText(_directory[name], text);
        Assert.That(() => Read(name), Throws.TypeOf<BadInputException>()
            .With.Message.StartsWith(_directory[name]).And.Message.Contains(problem).And.Message.EndsWith("."));
    }

    [TestCase("a.csv", "text;label\n\"x; or\ny\";1\nz, w;0\n", "semicolons, not by commas")]
    [TestCase("a.csv", "text\tlabel\nx; or\ny\t1\nz, w\t0\n", null)]
    [TestCase("a.csv", "text\tlabel\n\"x; or\ny\"\t1\nz, w\t0\n", "tabs, not by commas")]
    [TestCase("a.csv", "text|label\n\"x; or\ny\"|1\nz, w|0\n", "bars, not by commas")]
    [TestCase("a.tsv", "text\tlabel\n\"x; or\ny\"\t1\nz, w\t0\n", "")]
    [TestCase("a.tsv", "text;label\n\"x; or\ny\";1\nz, w;0\n", "semicolons, not by tabs")]
    public void Another_delimiter_is_seen_in_the_header_and_said(string name, string text, string? sentence)
    {
        File.WriteAllText(_directory[name], text);
        if (sentence is null)
        {
            Assert.That(() => Read(name), Throws.TypeOf<BadInputException>().With.Message.Contains("line 2: the row has 1 fields"));
            return;
        }
        Assert.That(Read(name).Cast<LabelledRow>().Select(row => (row.Text, row.Label)),
            Is.EqualTo(new[] { ("x; or\ny", "1"), ("z, w", "0") }));
        Assert.That(string.Concat(_warnings), sentence.Length == 0 ? Is.Empty : Does.Contain(sentence));
    }

    [Test]
    public void Binary_and_compressed_files_are_called_what_they_are()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionMode.Compress))
        {
            gzip.Write("{\"text\": \"x\"}"u8);
        }
        Refused("train.jsonl", packed.ToArray(), "compressed with gzip");
        Refused("a.jsonl", Encoding.Unicode.GetPreamble().Concat(Encoding.Unicode.GetBytes("{\"text\": \"x\"}")), "UTF-16");
        Refused("a.json", Encoding.BigEndianUnicode.GetBytes("{\"text\": \"x\"}"), "UTF-16");
        Refused("a.csv", "PK\x03\x04...."u8.ToArray(), "a zip archive or a spreadsheet");
        Refused("a.jsonl", "PAR1...."u8.ToArray(), "Parquet");
        Refused("a.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"u8.ToArray(), "Git LFS");

        void Refused(string name, IEnumerable<byte> bytes, string problem)
        {
            File.WriteAllBytes(_directory[name], [.. bytes]);
            Assert.That(() => Read(name), Throws.TypeOf<BadInputException>().With.Message.StartsWith(_directory[name]).And.Message.Contains(
                problem));
        }
    }

    [Test]
    public void Rows_of_different_forms_in_one_file_are_counted_in_a_warning()
    {
        File.WriteAllText(_directory["a.jsonl"], "{\"text\": \"x\"}\n{\"text\": \"y\", \"label\": 1}\n{\"text\": \"z\", \"label\": 0}\n");
        Assert.That(Read("a.jsonl"), Has.Count.EqualTo(3));
        Assert.That(_warnings.Single(),
            Does.Contain("1 with \"text\" alone (the first on line 1), 2 with \"text\" and \"label\" (the first on line 2)"));
    }

    [Test]
    public void A_text_file_that_looks_like_json_is_read_as_text_and_it_is_said()
    {
        File.WriteAllText(_directory["a.txt"], "{\"text\": \"x\"}\n");
        Assert.That(Read("a.txt").Single(), Is.InstanceOf<DocumentRow>());
        Assert.That(_warnings.Single(), Does.Contain("name it .jsonl"));
    }

    [Test]
    public void Rows_that_are_learned_and_evaluated_are_counted_in_a_warning()
    {
        File.WriteAllText(_directory["train.jsonl"], "{\"text\": \"x\"}\n{\"text\": \"y\"}\n");
        File.WriteAllText(_directory["valid.jsonl"], "{\"text\": \"y\"}\n{\"text\": \"x\"}\n");
        File.WriteAllText(_directory["test.jsonl"], "{\"text\": \"y\"}\n{\"text\": \"z\"}\n");
        DataFiles.Open(_directory.FullPath, new ReadOptions { Warnings = _warnings });
        Assert.That(_warnings[0], Does.Contain("all 2 validation rows are training rows too"));
        Assert.That(_warnings[1], Does.Contain("1 of 2 test rows are training rows too"));
    }

    [Test]
    public void A_directory_says_which_files_of_a_splits_name_it_does_not_read()
    {
        File.WriteAllText(_directory["train.parquet"], "PAR1");
        Assert.That(() => DataFiles.Open(_directory.FullPath),
            Throws.TypeOf<BadInputException>().With.Message.Contains("found train.parquet"));
    }

    [Test]
    public void Two_spellings_of_one_class_number_are_refused()
    {
        File.WriteAllText(_directory["a.csv"], "text,label\nx,1\ny,01\n");
        Assert.That(() => LabelMap.From(Read("a.csv")),
            Throws.TypeOf<BadInputException>().With.Message.Contains("one number in two spellings"));
        File.WriteAllText(_directory["b.csv"], "text,label\nx,10\ny,9\nz,-1\n");
        Assert.That(LabelMap.From(Read("b.csv")).Names, Is.EqualTo(new[] { "-1", "9", "10" }));
    }

    private IEnumerable<string> Texts(string name, string text)
    {
        File.WriteAllText(_directory[name], text);
        return Read(name).Select(row => ((TextRow)row).Text);
    }

    private List<DataRow> Read(string name) => DataFiles.ReadFile(_directory[name], new ReadOptions { Warnings = _warnings });
}
