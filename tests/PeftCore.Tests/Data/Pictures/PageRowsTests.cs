using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tests.Models.Vision;

namespace PeftCore.Tests.Data;

/// <summary>Words with boxes and tags under the names that data sets have, and what is checked against a model of pages.</summary>
public sealed class PageRowsTests
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void Make() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Remove() => _directory.Dispose();

    [TestCase("words", "boxes", "tags")]
    [TestCase("tokens", "bboxes", "ner_tags")]
    [TestCase("words", "bboxes", "labels")]
    public void A_page_has_the_names_of_fields_that_data_sets_have(string words, string boxes, string tags)
    {
        var row = (TokensRow)Read($$"""{"{{words}}": ["a"], "{{boxes}}": [[1, 2, 3, 4]], "{{tags}}": [1]}""").Single();
        Assert.That(row.Tokens, Is.EqualTo(new[] { "a" }));
        Assert.That(row.Tags, Is.EqualTo(new[] { "1" }));
        Assert.That(row.Boxes![0], Is.EqualTo(new[] { 1, 2, 3, 4 }));
    }

    [TestCase("words", "labels")]
    [TestCase("tokens", "ner_tags")]
    public void So_has_a_text_without_boxes(string words, string tags)
    {
        var row = (TokensRow)Read($$"""{"{{words}}": ["a"], "{{tags}}": ["O"]}""").Single();
        Assert.That((row.Tokens[0], row.Tags[0], row.Boxes), Is.EqualTo(("a", "O", (IReadOnlyList<int[]>?)null)));
    }

    [Test]
    public void Texts_with_several_classes_keep_their_labels() =>
        Assert.That(Read("""{"text": "a", "labels": ["x"]}""").Single(), Is.TypeOf<LabelsRow>());

    [Test]
    public void Two_names_of_one_field_are_refused() =>
        Assert.That(() => Read("""{"words": ["a"], "tokens": ["a"], "tags": ["O"]}"""), Refuses("rows.jsonl, line 1",
            "\"words\" and \"tokens\" are two names of one field; leave one out"));

    [Test]
    public void Words_without_tags_are_read_but_not_learned()
    {
        var rows = Read("""{"words": ["a"], "boxes": [[1, 2, 3, 4]]}""");
        Assert.That(((TokensRow)rows.Single()).Tags, Is.Empty);
        Assert.That(() => Encoder("layoutlm").Encode(rows), Refuses("rows.jsonl, line 1", "the row has \"words\" and \"boxes\" without \"tags\""));
    }

    [Test]
    public void Each_word_to_tag_is_known_by_its_first_token()
    {
        var row = Read("""{"words": ["ab", "c"], "boxes": [[1, 2, 3, 4], [5, 6, 7, 8]]}""").Single();
        var example = Encoder("layoutlm").EncodeWords(row);
        Assert.That(example.Labels.Where(label => label != Example.Masked), Is.EqualTo(new[] { 0, 1 }));
        Assert.That(example.Boxes, Has.Length.EqualTo(4 * example.Ids.Length));
    }

    [Test]
    public void A_coordinate_without_a_row_in_the_tables_of_the_model_is_refused() =>
        Assert.That(() => Encoder("layoutlm").Encode(Read("""{"words": ["a"], "boxes": [[1, 2, 3, 64]], "tags": ["O"]}""")),
            Refuses("rows.jsonl, line 1", "the box [1, 2, 3, 64] of \"a\" has a coordinate above 63"));

    [Test]
    public void Pages_have_their_picture_all_or_none()
    {
        var rows = Read("""
            {"words": ["a"], "boxes": [[1, 2, 3, 4]], "tags": ["O"]}
            {"words": ["a"], "boxes": [[1, 2, 3, 4]], "tags": ["O"], "image": "a.png"}
            """);
        Assert.That(() => Encoder("layoutlmv3").Encode(rows), Refuses("rows.jsonl, line 2",
            "the page has an \"image\", but that of line 1 has none"));
        var alone = Encoder("layoutlmv3");
        alone.Encode([rows[0]]);
        Assert.That(alone.Warnings.Single(), Does.Contain("No row has the picture of its page"));
    }

    [Test]
    public void A_row_with_an_unknown_tag_is_no_bad_file()
    {
        var rows = Read("""
            {"words": ["a"], "boxes": [[1, 2, 3, 4]], "tags": ["O"]}
            {"words": ["a"], "boxes": [[1, 2, 3, 4]], "tags": ["X"]}
            """);
        Assert.That(() => Encoder("layoutlm", skips: true).Encode(rows), Refuses("rows.jsonl, line 2", "the label \"X\" is unknown"));
    }

    private List<DataRow> Read(string text)
    {
        File.WriteAllText(_directory["rows.jsonl"], text);
        return DataFiles.ReadFile(_directory["rows.jsonl"]);
    }

    private ExampleEncoder Encoder(string type, bool skips = false)
    {
        File.WriteAllText(_directory["preprocessor_config.json"], """{"size": 8}""");
        var model = ModelLoader.Declare(TinyPictures.Config(type));
        return new ExampleEncoder(new CharacterEncoder { AddsBos = true, AddsEos = true }, new EncodeOptions
        {
            MaxSeqLength = 32,
            Task = ModelTask.TokenClassification,
            Labels = ["O", "B"],
            SkipBadFiles = skips,
            Pictures = PictureReader.Open(model, _directory.FullPath, _ => Picture.FromRgb("", new byte[3 * 8 * 8], 8, 8)),
        });
    }

    private static NUnit.Framework.Constraints.Constraint Refuses(string place, string sentence) =>
        Throws.TypeOf<BadInputException>().With.Message.Contains(place).And.Message.Contains(sentence);
}
