using System.Text.Json;
using PeftCore.Data;
using PeftCore.Tokenizers;

namespace PeftCore.Tests.Data;

public sealed class DataFilesTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void Each_form_is_recognised_line_by_line()
    {
        var rows = Read("a.jsonl", """
            {"text": "plain é"}

            {"prompt": "p", "completion": "c"}
            {"messages": [{"role": "user", "content": "hi"}, {"content": "hello", "role": "assistant"}]}
            {"instruction": "i", "input": "", "output": "o"}
            {"output": "o", "instruction": "i"}
            {"instruction": "i", "input": null, "output": "o"}
            {"text": "t", "label": 3}
            {"text": "t", "label": "good"}
            """);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rows[0], Is.EqualTo(new TextRow(At(1), "plain é")));
            Assert.That(rows[1], Is.EqualTo(new PromptRow(At(3), "p", "c")));
            Assert.That(((ChatRow)rows[2]).Turns, Is.EqualTo([new ChatMessage("user", "hi"), new ChatMessage("assistant", "hello")]));
            Assert.That(rows[3], Is.EqualTo(new InstructionRow(At(5), "i", "", "o")));
            Assert.That(rows[4], Is.EqualTo(new InstructionRow(At(6), "i", "", "o")));
            Assert.That(rows[5], Is.EqualTo(new InstructionRow(At(7), "i", "", "o")));
            Assert.That(rows[6], Is.EqualTo(new LabelledRow(At(8), "t", "3")));
            Assert.That(rows[7], Is.EqualTo(new LabelledRow(At(9), "t", "good")));
        }
        RowPlace At(int line) => new(_directory["a.jsonl"], line);
    }

    [Test]
    public void Any_form_may_say_which_task_a_row_belongs_to()
    {
        var rows = Read("a.jsonl", """
            {"text": "x", "task_id": 2}
            {"task_id": 0, "prompt": "p", "completion": "c"}
            {"text": "x"}
            """);
        Assert.That(rows.Select(row => row.TaskId), Is.EqualTo(new int?[] { 2, 0, null }));
        Assert.That(Read("a.csv", "text,label,task_id\na,1,3\n").Single(),
            Is.EqualTo(new LabelledRow(new(_directory["a.csv"], 2), "a", "1") { TaskId = 3 }));
        foreach (string wrong in new[] { "-1", "1.5", "\"one\"", "null" })
        {
            Assert.That(() => Read("b.jsonl", $$"""{"text": "x", "task_id": {{wrong}}}"""),
                Throws.TypeOf<BadInputException>().With.Message.Contains("b.jsonl, line 1").And.Message.Contains(
                "the number of a task, counted from 0"));
        }
        Assert.That(() => Read("c.jsonl", """{"task_id": 1}"""), Throws.TypeOf<BadInputException>().With.Message.Contains("no fields"));
    }

    [Test]
    public void Lists_tables_labelled_lines_and_texts_are_read_by_their_endings()
    {
        const string Bom = "\uFEFF";
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Read("a.json", Bom + "[\n {\"text\": \"x\\ny\"},\n\n {\"prompt\": \"p\",\n \"completion\": \"c\"} ]\n"), Is.EqualTo(
                [new TextRow(new(_directory["a.json"], 2), "x\ny"), (DataRow)new PromptRow(new(_directory["a.json"], 4), "p", "c")]));
            Assert.That(Read("b.json", "{\"text\": \"x\"}\n{\"text\": \"y\"}"), Has.Count.EqualTo(2));
            Assert.That(Read("a.csv", Bom + "text,label\r\n\"a, \"\"b\"\"\r\nc\",1\r\n\r\nd,\"0\""), Is.EqualTo(
                [new LabelledRow(new(_directory["a.csv"], 2), "a, \"b\"\r\nc", "1"), (DataRow)new LabelledRow(new(_directory["a.csv"], 5),
                    "d", "0")]));
            Assert.That(Read("x.binary.dev", "1 good , really\n0 bad\n"), Is.EqualTo(
                [new LabelledRow(new(_directory["x.binary.dev"], 1), "good , really", "1"),
                    (DataRow)new LabelledRow(new(_directory["x.binary.dev"], 2), "bad", "0")]));
            Assert.That(Read("a.txt", "all\n\nof it"), Is.EqualTo([(DataRow)new DocumentRow(new(_directory["a.txt"], 1), "all\n\nof it")]));
        }
    }

    [Test]
    public void Fields_can_be_renamed_and_left_out()
    {
        File.WriteAllText(_directory["a.csv"], "Tweet text,Label,ID\nhello,complaint,7\n");
        var options = new ReadOptions
        {
            Fields = new Dictionary<string, string?>
            {
                ["Tweet text"] = "text", ["Label"] = "label",
                ["ID"] = null
            }
        };
        Assert.That(DataFiles.ReadFile(_directory["a.csv"], options),
            Is.EqualTo([(DataRow)new LabelledRow(new(_directory["a.csv"], 2), "hello", "complaint")]));
    }

    [TestCase("a.jsonl", "", "is empty")]
    [TestCase("a.jsonl", " \n\t\n", "is empty")]
    [TestCase("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \"x\"", ", line 2: not valid JSON")]
    [TestCase("a.jsonl", "{\"text\": \"x\"} {}", ", line 1: not valid JSON")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"text\": \"y\"}", ", line 1: not valid JSON")]
    [TestCase("a.jsonl", "{\"text\": \"\\ud800\"}", ", line 1: not valid JSON")]
    [TestCase("a.jsonl", "[1]", ", line 1: expected an object")]
    [TestCase("a.jsonl", "{}", ", line 1: the row has no fields")]
    [TestCase("a.jsonl", "\n{\"txet\": \"x\"}", ", line 2: the field \"txet\" does not belong here")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"id\": 1}", "the field \"id\" does not belong here")]
    [TestCase("a.jsonl", "{\"prompt\": \"x\"}", "the field \"completion\" is missing, expected {\"text\"}, {\"prompt\", \"completion\"}")]
    [TestCase("a.jsonl", "{\"instruction\": \"x\"}", "the field \"output\" is missing")]
    [TestCase("a.jsonl", "{\"text\": 1}", "\"text\" is 1, expected a string")]
    [TestCase("a.jsonl", "{\"text\": null}", "\"text\" is null, expected a string")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"label\": 1.5}", "\"label\" is 1.5, expected an integer or a string")]
    [TestCase("a.jsonl", "{\"text\": \"x\", \"label\": \"\"}", "\"label\" is \"\", expected an integer or a string")]
    [TestCase("a.jsonl", "{\"messages\": []}", "\"messages\" is an empty list")]
    [TestCase("a.jsonl", "{\"messages\": [\"hi\"]}", "\"messages\" holds \"hi\"")]
    [TestCase("a.jsonl", "{\"messages\": [{\"role\": \"user\"}]}", "a turn in \"messages\" has no \"content\"")]
    [TestCase("a.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}", "no turn of the assistant")]
    [TestCase("a.jsonl", "{\"messages\": [{\"role\": \"bot\", \"content\": \"x\"}]}", "has the role \"bot\"")]
    [TestCase("a.json", "[]", "the list is empty")]
    [TestCase("a.json", "7", "expected a list of rows")]
    [TestCase("a.json", "[{\"text\": \"x\"},\n\n{\"text\": 1}]", ", line 3: \"text\" is 1")]
    [TestCase("a.json", "[{\"text\": \"x\"},\n{\"text\"\n", "not valid JSON")]
    [TestCase("a.json", "[{\"text\": \"x\"}] x", "not valid JSON")]
    [TestCase("a.json", "[[[[[[[[[[[[[[[[[[[[[[", "not valid JSON")]
    [TestCase("a.csv", "text\n", "no row follows the first line")]
    [TestCase("a.csv", "Text\nx\n", ", line 1: the field \"Text\" does not belong here")]
    [TestCase("a.csv", "text,text\nx,y\n", ", line 1: two fields are named \"text\"")]
    [TestCase("a.csv", "text,label\na,0\nb\n", ", line 3: the row has 1 fields, but the header names 2 (text, label)")]
    [TestCase("a.csv", "text,label\n\"a\n\n,0\n", ", line 2: a quote opens a field and is never closed")]
    [TestCase("a.csv", "text\n\"a\"b\n", ", line 2: text follows the closing quote")]
    [TestCase("a.csv", "text\na\"b\n", ", line 2: a quote stands inside a field")]
    [TestCase("a.csv", "text,label\na,\n", ", line 2: \"label\" is empty")]
    [TestCase("a.dev", "1 x\nno label\n", ", line 2: expected a class number")]
    [TestCase("a.dev", "1\n", ", line 1: expected a class number")]
    [TestCase("a.parquet", "PAR1", "Parquet and Arrow files are not read")]
    public void What_is_wrong_with_a_file_is_said_with_its_place(string name, string text, string problem)
    {
        File.WriteAllText(_directory[name], text);
        Assert.That(() => DataFiles.Open(_directory[name]), Throws.TypeOf<BadInputException>()
            .With.Message.StartsWith(_directory[name]).And.Message.Contains(problem).And.Message.EndsWith("."));
    }

    [Test]
    public void Broken_utf8_and_missing_files_are_refused()
    {
        File.WriteAllBytes(_directory["a.jsonl"], [.. "{\"text\": \"x\"}\n{\"text\": \""u8, 0xE9, .. "\"}\n"u8]);
        Assert.That(() => DataFiles.Open(_directory["a.jsonl"]),
            Throws.TypeOf<BadInputException>().With.Message.Contains(", line 2: the text is not valid UTF-8"));
        Assert.That(() => DataFiles.Open(_directory["none.jsonl"]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no such file"));
    }

    [Test]
    public void A_directory_holds_its_splits()
    {
        File.WriteAllText(_directory["README.md"], "not data");
        Assert.That(() => DataFiles.Open(_directory.FullPath),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the directory has no data"));
        File.WriteAllText(_directory["test.csv"], "text\nx\n");
        Assert.That(() => DataFiles.Open(_directory.FullPath).RequireTrain(),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no training data"));
        File.WriteAllText(_directory["train.jsonl"], "{\"text\": \"x\"}\n{\"text\": \"y\"}");
        File.WriteAllText(_directory["validation.json"], "[{\"text\": \"x\"}]");
        var splits = DataFiles.Open(_directory.FullPath);
        Assert.That((splits.RequireTrain().Count, splits.Validation!.Count, splits.ForEvaluation()[0].Place.File),
            Is.EqualTo((2, 1, _directory["test.csv"])));
        File.WriteAllText(_directory["dev.json"], "[{\"text\": \"x\"}]");
        Assert.That(() => DataFiles.Open(_directory.FullPath),
            Throws.TypeOf<BadInputException>().With.Message.Contains("dev.json and validation.json both"));
    }

    [TestCase("test_labeled.csv", true)]
    [TestCase("test-b.csv", true)]
    [TestCase("testing.csv", false)]
    [TestCase("test_labeled.md", false)]
    public void A_file_that_is_nearly_named_as_a_missing_split_is_pointed_out(string name, bool near)
    {
        File.WriteAllText(_directory["train.csv"], "text\nx\n");
        File.WriteAllText(_directory[name], "text\ny\n");
        var warnings = new List<string>();
        var splits = DataFiles.Open(_directory.FullPath, new ReadOptions { Warnings = warnings });
        Assert.That(splits.Test, Is.Null);
        Assert.That(warnings, near ? Is.EqualTo([$"{_directory.FullPath}: {name} is not read, because the test data are a file with the name "
            + "test; rename the file, or name it as the data."]) : Is.Empty);

        File.WriteAllText(_directory["test.csv"], "text\nz\n");
        warnings.Clear();
        DataFiles.Open(_directory.FullPath, new ReadOptions { Warnings = warnings });
        Assert.That(warnings, Is.Empty);
    }

    [Test]
    public void Underscores_in_labels_become_spaces_if_asked_for()
    {
        File.WriteAllText(_directory["a.csv"], "text,label\nx,no_complaint\ny,complaint\n");
        var spaces = DataFiles.ReadFile(_directory["a.csv"], new ReadOptions { LabelSpaces = true });
        Assert.That(spaces.Select(row => ((LabelledRow)row).Label), Is.EqualTo(["no complaint", "complaint"]));
        Assert.That(((LabelledRow)DataFiles.ReadFile(_directory["a.csv"])[0]).Label, Is.EqualTo("no_complaint"));

        File.WriteAllText(_directory["b.csv"], "text,label\nx,1\ny,2\n");
        var named = DataFiles.ReadFile(_directory["b.csv"], new ReadOptions
        {
            LabelSpaces = true, LabelNames = new Dictionary<string, string> { ["2"] = "no_complaint", ["1"] = "complaint" },
        });
        Assert.That(named.Select(row => ((LabelledRow)row).Label), Is.EqualTo(["complaint", "no complaint"]));
        Assert.That(LabelMap.From(named).Names, Is.EqualTo(["complaint", "no complaint"]));

        File.WriteAllText(_directory["c.csv"], "text,label\nx,a_b\ny,a b\n");
        Assert.That(() => DataFiles.ReadFile(_directory["c.csv"], new ReadOptions { LabelSpaces = true }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("line 3: the labels \"a_b\" (on line 2) and \"a b\" are both \"a b\""));
    }

    [Test]
    public void A_directory_may_name_its_splits_by_their_endings()
    {
        foreach (string split in new[] { "train", "dev", "test" })
        {
            File.WriteAllText(_directory["stsa.binary." + split], "1 x\n0 y\n");
        }

        var splits = DataFiles.Open(_directory.FullPath);
        Assert.That((splits.Train?.Count, splits.Validation?.Count, splits.Test?.Count), Is.EqualTo((2, 2, 2)));
    }

    private List<DataRow> Read(string name, string text)
    {
        File.WriteAllText(_directory[name], text);
        return DataFiles.ReadFile(_directory[name]);
    }

    [Test]
    public void A_reader_that_returns_null_is_named()
    {
        using var directory = new TemporaryDirectory();
        string path = directory["rows.table"];
        var options = new ReadOptions { Readers = new Dictionary<string, Func<string, IEnumerable<JsonElement>>> { [".table"] = _ => null! } };

        Assert.That(() => DataFiles.ReadFile(path, options),
            Throws.InvalidOperationException.With.Message.EqualTo($"{path}: the reader of .table files returned null"));
    }
}
