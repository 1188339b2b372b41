using System.Text.Json;
using PeftCore.Data;

namespace PeftCore.Tests.Data;

public sealed class TaskRowsTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void Words_are_read_with_names_or_numbers_of_tags()
    {
        var named = (TokensRow)Read("""{"tokens": ["Ann", "sails"], "tags": ["B-PER", "O"]}""").Single();
        var numbered = (TokensRow)Read("""{"tokens": ["Ann", "sails"], "tags": [1, 0]}""").Single();
        Assert.That(named.Tokens, Is.EqualTo(["Ann", "sails"]));
        Assert.That(named.Tags, Is.EqualTo(["B-PER", "O"]));
        Assert.That(numbered.Tags, Is.EqualTo(["1", "0"]));
    }

    [Test]
    public void An_answer_is_read_from_its_position_in_code_points()
    {
        var row = (QuestionRow)Read("""
            {"question": "Who?", "context": "😀 Ann sails.", "answers": {"text": ["Ann"], "answer_start": [2]}}
            """).Single();
        Assert.That(row.Answers, Is.EqualTo([new AnswerSpan("Ann", 2)]));
        Assert.That(row.Answers[0].End, Is.EqualTo(5));
    }

    [Test]
    public void A_question_may_have_no_answer()
    {
        var row = (QuestionRow)Read("""{"question": "q", "context": "c", "answers": {"text": [], "answer_start": []}}""").Single();
        Assert.That(row.Answers, Is.Empty);
    }

    [Test]
    public void The_first_place_of_an_answer_is_taken_and_said_once()
    {
        var warnings = new List<string>();
        var rows = Read("""
            {"question": "q", "context": "😀 a b a", "answer": "a"}
            {"question": "q", "context": "a a", "answer": "a"}
            {"question": "q", "context": "a b", "answer": "b"}
            """, new ReadOptions { Warnings = warnings });
        Assert.That(rows.Cast<QuestionRow>().Select(row => row.Answers[0].Start), Is.EqualTo([2, 0, 2]));
        Assert.That(warnings.Single(), Does.Contain("in 2 of 3 rows the answer is in the context several times (the first on line 1)"));
    }

    [Test]
    public void Pairs_sources_and_contrasts_are_read()
    {
        var rows = Read("""
            {"text": "a", "text_pair": "b", "label": 1}
            {"source": "a", "target": "b"}
            {"text": "a", "positive": "b"}
            {"text": "a", "positive": "b", "negative": "c"}
            """);
        RowPlace At(int line) => new(_directory["a.jsonl"], line);
        Assert.That(rows, Is.EqualTo(new DataRow[]
        {
            new LabelledRow(At(1), "a", "1") { Pair = "b" }, new SourceRow(At(2), "a", "b"), new ContrastRow(At(3), "a", "b", null),
            new ContrastRow(At(4), "a", "b", "c"),
        }));
    }

    [Test]
    public void Labels_are_numbers_to_predict_only_when_asked()
    {
        var row = (LabelledRow)Read("""{"text": "a", "label": -1.5}""", new ReadOptions { NumberLabels = true }).Single();
        Assert.That(row.Value, Is.EqualTo(-1.5));
        Assert.That(() => Read("""{"text": "a", "label": "good"}""", new ReadOptions { NumberLabels = true }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("expected a number, because labels are numbers to predict"));
    }

    [Test]
    public void Several_classes_are_read_by_name_or_as_0_and_1_for_each()
    {
        var named = (LabelsRow)Read("""{"text": "a", "labels": ["x", "y"]}""").Single();
        var flagged = (LabelsRow)Read("""{"text": "a", "text_pair": "b", "labels": [0, 1.0, 0]}""").Single();
        var none = (LabelsRow)Read("""{"text": "a", "labels": []}""").Single();
        Assert.That(named.Labels, Is.EqualTo(["x", "y"]));
        Assert.That((flagged.Values, flagged.Pair), Is.EqualTo((new float[] { 0, 1, 0 }, "b")));
        Assert.That((none.Labels.Count, none.Values), Is.EqualTo((0, (IReadOnlyList<float>?)null)));
        Assert.That(LabelMap.From([named, none]).Names, Is.EqualTo(["x", "y"]));
        Assert.That(LabelMap.From([flagged]).Names, Is.EqualTo(["LABEL_0", "LABEL_1", "LABEL_2"]));
        var renamed = Read("""{"text": "a", "labels": ["2", "yes"]}""", new ReadOptions
        {
            LabelNames = new Dictionary<string, string> { ["0"] = "no", ["1"] = "yes", ["2"] = "any" },
        });
        Assert.That(((LabelsRow)renamed.Single()).Labels, Is.EqualTo(["any", "yes"]));
        Assert.That(LabelMap.From(renamed).Names, Is.EqualTo(["no", "yes", "any"]));
    }

    [TestCase("""{"text": "a", "labels": 1}""", "\"labels\" is 1, expected a list of the names of its classes")]
    [TestCase("""{"text": "a", "labels": ["x", 1]}""", "\"labels\" holds values of different types")]
    [TestCase("""{"text": "a", "labels": [3]}""", "\"labels\" holds the number 3, expected 0 or 1 for each class")]
    [TestCase("""{"text": "a", "labels": [""]}""", "\"labels\" holds \"\", expected a list of the names")]
    [TestCase("""{"text": "a", "labels": ["x", "x"]}""", "\"labels\" names \"x\" twice")]
    [TestCase("""{"tokens": ["a", "b"], "tags": ["O"]}""", "\"tokens\" has 2 words and \"tags\" has 1 tags")]
    [TestCase("""{"tokens": ["a", "b"], "tags": ["O", 1]}""", "\"tags\" holds values of different types")]
    [TestCase("""{"tokens": ["a", 1], "tags": ["O", "O"]}""", "\"tokens\" holds 1, expected words")]
    [TestCase("""{"tokens": [], "tags": []}""", "\"tokens\" is an empty list, expected a list of words")]
    [TestCase("""{"tokens": ["a"], "tags": [""]}""", "\"tags\" holds \"\", expected names of tags")]
    [TestCase("""{"tokens": ["a"], "tags": [-1]}""", "\"tags\" holds -1, expected names of tags")]
    [TestCase("""{"tokens": ["a"], "label": 1}""", "does not belong here, expected")]
    [TestCase("""{"question": "q", "context": "c", "answer": "x"}""", "the answer \"x\" is not in the context")]
    [TestCase("""{"question": "q", "context": "c", "answer": ""}""", "\"answer\" is empty")]
    [TestCase("""{"question": "q", "context": "😀 a", "answers": {"text": ["a"], "answer_start": [3]}}""",
        "the answer \"a\" is not at \"answer_start\" 3 of the context; it is at 2")]
    [TestCase("""{"question": "q", "context": "c", "answers": {"text": ["x"], "answer_start": [0]}}""", "expected a part of the context")]
    [TestCase("""{"question": "q", "context": "c", "answers": {"text": ["c"], "answer_start": []}}""", "has 1 texts and 0 positions")]
    [TestCase("""{"question": "q", "context": "c", "answers": {"text": ["c"], "answer_start": [-1]}}""", "a text and its position")]
    [TestCase("""{"question": "q", "context": "c", "answers": "c"}""", "\"answers\" is a string that is not valid JSON")]
    [TestCase("""{"question": "q", "context": "c", "answers": ["c"]}""", "\"answers\" is a list, expected")]
    [TestCase("""{"question": "q", "context": "c", "answers": {"text": ["c"], "answer_start": [0], "id": 1}}""", "expected {\"text\":")]
    [TestCase("""{"text": "a", "text_pair": "b"}""", "the field \"label\" is missing")]
    [TestCase("""{"text": "a", "negative": "b"}""", "the field \"positive\" is missing")]
    [TestCase("""{"source": "a"}""", "the field \"target\" is missing")]
    [TestCase("""{"source": "a", "target": null}""", "\"target\" is null, expected a string")]
    public void A_row_that_contradicts_itself_is_refused(string row, string sentence) =>
        Assert.That(() => Read(row), Throws.TypeOf<BadInputException>().With.Message.Contains("line 1").And.Message.Contains(sentence));

    [Test]
    public void Names_replace_class_numbers_and_keep_their_order()
    {
        var options = new ReadOptions { LabelNames = new Dictionary<string, string> { ["0"] = "no", ["1"] = "maybe", ["2"] = "any" } };
        var rows = Read("""
            {"text": "a", "label": 2}
            {"text": "b", "label": 0}
            {"text": "c", "label": "maybe"}
            """, options);
        Assert.That(rows.Cast<LabelledRow>().Select(row => row.Label), Is.EqualTo(["any", "no", "maybe"]));
        Assert.That(LabelMap.From(rows).Names, Is.EqualTo(["no", "maybe", "any"]));
        var tagged = Read("""{"tokens": ["a"], "tags": [1]}""", options);
        Assert.That(((TokensRow)tagged.Single()).Tags, Is.EqualTo(["maybe"]));
        Assert.That(LabelMap.From(tagged).Names, Is.EqualTo(["no", "maybe", "any"]));
        Assert.That(() => Read("""{"text": "a", "label": 3}""", options),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the label \"3\" has no name; names are given for 0, 1, 2"));
    }

    [TestCase("Tweet", "text", "the fields rename \"Tweet\", but there is no such column; did you mean Tweet text?")]
    [TestCase("Tweet text", "txt", "which no row has; did you mean text?")]
    [TestCase("Tweet text", null, "the field \"text\" is missing")]
    [TestCase("ID", "label", "two fields are named \"label\"")]
    public void Fields_that_do_not_fit_the_columns_are_refused(string column, string? name, string sentence)
    {
        var fields = new Dictionary<string, string?> { ["Tweet text"] = "text", ["label"] = "label", ["ID"] = null };
        fields.Remove(name is "text" ? "Tweet text" : column);
        fields[column] = name;
        if (name == "label")
        {
            fields.Remove("label");
        }
        var options = new ReadOptions { Fields = fields };
        string[] files = [_directory["b.csv"], _directory["b.jsonl"]];
        File.WriteAllText(files[0], "Tweet text,label,ID\nx,1,2\n");
        File.WriteAllText(files[1], """{"Tweet text": "x", "label": 1, "ID": 2}""");
        foreach (string file in files)
        {
            Assert.That(() => DataFiles.ReadFile(file, options), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
        }
    }

    [Test]
    public void Two_columns_cannot_have_one_name() => Assert.That(
        () => Read("""{"a": "x", "b": "y"}""", new ReadOptions { Fields = new Dictionary<string, string?> { ["a"] = "text", ["b"] = "text" } }),
        Throws.TypeOf<BadInputException>().With.Message.Contains("The fields name \"text\" twice, for \"a\" and \"b\""));

    [Test]
    public void A_column_that_no_row_has_is_refused() => Assert.That(
        () => Read("""{"text": "x"}""", new ReadOptions { Fields = new Dictionary<string, string?> { ["id"] = null } }),
        Throws.TypeOf<BadInputException>().With.Message.Contains("the fields rename \"id\", but there is no such column"));

    [TestCase("a.txt")]
    [TestCase("a.dev")]
    public void A_file_without_columns_has_no_fields(string name)
    {
        File.WriteAllText(_directory[name], "1 x");
        Assert.That(() => DataFiles.ReadFile(_directory[name], new ReadOptions { Fields = new Dictionary<string, string?> { ["a"] = null } }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("a file of this kind has no columns"));
    }

    [Test]
    public void Pieces_of_a_split_are_read_in_order()
    {
        Write("train-00001-of-00002.jsonl", "b");
        Write("train-00000-of-00002.jsonl", "a");
        Write("validation-00000-of-00001.jsonl", "c");
        Write("test-00000-of-00001.jsonl", "d");
        var splits = DataFiles.Open(_directory.FullPath);
        Assert.That(splits.Train!.Cast<TextRow>().Select(row => row.Text), Is.EqualTo(["a", "b"]));
        Assert.That(((TextRow)splits.Validation!.Single()).Text, Is.EqualTo("c"));
        Assert.That(((TextRow)splits.Test!.Single()).Text, Is.EqualTo("d"));

        File.Delete(_directory["train-00000-of-00002.jsonl"]);
        Assert.That(() => DataFiles.Open(_directory.FullPath),
            Throws.TypeOf<BadInputException>().With.Message.Contains("of the 2 pieces of the train data number 0 is missing"));
        Write("train-00000-of-00002.jsonl", "a");
        Write("train.jsonl", "e");
        Assert.That(() => DataFiles.Open(_directory.FullPath), Throws.TypeOf<BadInputException>().With.Message.Contains("both claim"));
    }

    [Test]
    public void A_format_from_outside_is_read_by_its_extension()
    {
        Write("a.rows", "ignored");
        var rows = new List<string> { """{"text": "a", "label": 1}""" };
        var options = new ReadOptions
        {
            Readers = new Dictionary<string, Func<string, IEnumerable<JsonElement>>>
            {
                [".rows"] = _ => rows.Select(row => JsonSerializer.Deserialize<JsonElement>(row)),
            },
        };
        Assert.That(DataFiles.ReadFile(_directory["a.rows"], options).Cast<LabelledRow>().Single().Label, Is.EqualTo("1"));
        rows.Add("[1]");
        Assert.That(() => DataFiles.ReadFile(_directory["a.rows"], options),
            Throws.TypeOf<BadInputException>().With.Message.Contains("a.rows, row 2: the reader of .rows files returned a list"));
    }

    private void Write(string name, string text) => File.WriteAllText(_directory[name], $$"""{"text": "{{text}}"}""");

    private List<DataRow> Read(string text, ReadOptions? options = null)
    {
        File.WriteAllText(_directory["a.jsonl"], text);
        return DataFiles.ReadFile(_directory["a.jsonl"], options);
    }
}
