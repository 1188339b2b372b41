using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Tests.Data;

/// <summary>Pictures, and pages of words with boxes, as samples.</summary>
public sealed class PictureEncoderTests
{
    private const string Vit = """
        {"model_type": "vit", "architectures": ["ViTForImageClassification"], "hidden_size": 16, "num_attention_heads": 2,
        "num_hidden_layers": 1, "intermediate_size": 32, "image_size": 8, "patch_size": 4, "id2label": {"0": "cat", "1": "dog"}}
        """;

    private const string Page = """
        {"model_type": "TYPE", "architectures": ["LayoutLMForTokenClassification"], "hidden_size": 24, "num_attention_heads": 2,
        "num_hidden_layers": 1, "intermediate_size": 32, "vocab_size": 2000, "max_position_embeddings": 64, "id2label": {"0": "O", "1": "B"}}
        """;

    [Test]
    public void A_folder_for_each_class_makes_samples_in_the_order_of_names()
    {
        using var directory = new TemporaryDirectory();
        Write(directory, "train", "dog", "b.png", "a.jpg");
        Write(directory, "train", "cat", "c.PNG");
        Write(directory, "test", "cat", "d.png");
        var splits = DataFiles.Open(directory.FullPath, new ReadOptions { MediaEndings = [".png", ".jpg"] });

        Assert.That(LabelMap.From(splits.Train!).Names, Is.EqualTo(new[] { "cat", "dog" }));
        var examples = Encoder(ReaderOf(directory)).Encode(splits.Train!);
        Assert.That(examples.Select(example => example.ClassLabel), Is.EqualTo(new[] { 0, 1, 1 }));
        Assert.That(examples.Select(example => example.Pixels!.Shape.ToString()).Distinct().Single(), Does.Contain("3, 8, 8"));
        Assert.That(splits.Test, Has.Count.EqualTo(1));
    }

    [TestCase("metadata.csv", "file_name,label\na.png,dog\nsub/b.png,cat\n")]
    [TestCase("metadata.jsonl", "{\"image\": \"a.png\", \"label\": \"dog\"}\n{\"image\": \"sub/b.png\", \"label\": \"cat\"}\n")]
    public void Paths_in_metadata_start_at_its_directory(string name, string text)
    {
        using var directory = new TemporaryDirectory();
        Write(directory, "", "", "a.png");
        Write(directory, "sub", "", "b.png");
        File.WriteAllText(directory[name], text);
        var rows = DataFiles.Open(directory.FullPath, new ReadOptions { MediaEndings = [".png"] }).Train!;

        Assert.That(Encoder(ReaderOf(directory)).Encode(rows).Select(example => example.ClassLabel), Is.EqualTo(new[] { 1, 0 }));
    }

    [Test]
    public void A_class_without_pictures_is_an_error_that_names_its_directory()
    {
        using var directory = new TemporaryDirectory();
        Write(directory, "cat", "", "a.png");
        Directory.CreateDirectory(directory["dog"]);
        Assert.That(() => DataFiles.Open(directory.FullPath, new ReadOptions { MediaEndings = [".png"] }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("dog").And.Message.Contains("no file"));
    }

    [Test]
    public void A_bad_file_is_named_and_left_out_only_if_asked_for()
    {
        using var directory = new TemporaryDirectory();
        Write(directory, "cat", "", "a.png", "bad.png");
        Write(directory, "dog", "", "c.png");
        var rows = DataFiles.Open(directory.FullPath, new ReadOptions { MediaEndings = [".png"] }).Train!;

        Assert.That(() => Encoder(ReaderOf(directory)).Encode(rows), Throws.TypeOf<BadInputException>().With.Message.Contains("bad.png"));
        var skipping = Encoder(ReaderOf(directory), skips: true);
        Assert.That(skipping.Encode(rows), Has.Count.EqualTo(2));
        Assert.That(skipping.Warnings.Single(), Does.Contain("1 of 3 files").And.Contain("bad.png"));
    }

    [Test]
    public void Training_pictures_differ_between_epochs_and_a_repeated_draw_is_equal()
    {
        using var directory = new TemporaryDirectory();
        Write(directory, "cat", "", "a.png");
        var source = ReaderOf(directory).Augmented(flip: true, smallestPart: 0.4).SourceOf(directory["cat", "a.png"]);
        float[][] epochs = [.. Enumerable.Range(0, 8).Select(epoch => Read(source, new SampleDraw(3, epoch, 0)))];

        Assert.That(Read(source, new SampleDraw(3, 5, 0)), Is.EqualTo(epochs[5]));
        Assert.That(epochs.Skip(1).Count(epoch => !epoch.SequenceEqual(epochs[0])), Is.GreaterThan(5));
        Assert.That(() => ReaderOf(directory).Augmented(flip: false, smallestPart: 0), Throws.TypeOf<BadInputException>());
    }

    [Test]
    public void A_preprocessor_of_another_size_is_named_with_its_file()
    {
        using var directory = new TemporaryDirectory();
        Assert.That(() => ReaderOf(directory, """{"size": 16}"""),
            Throws.TypeOf<BadInputException>().With.Message.Contains("preprocessor_config.json").And.Message.Contains("16 × 16")
                .And.Message.Contains("8 × 8"));
        File.Delete(directory["preprocessor_config.json"]);
        Assert.That(() => PictureReader.Open(Declared(Vit), directory.FullPath, Decode),
            Throws.TypeOf<BadInputException>().With.Message.Contains("has no preprocessor_config.json"));
    }

    [TestCase("layoutlm", 1000)]
    [TestCase("layoutlmv3", 0)]
    public void Tokens_of_a_word_have_its_box_and_special_tokens_that_of_the_family(string type, int last)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["page.jsonl"], """{"words": ["ab", "c"], "boxes": [[1, 2, 3, 4], [5, 6, 7, 8]], "tags": ["B", "O"]}""");
        var example = PageEncoder(directory, type).Encode(DataFiles.ReadFile(directory["page.jsonl"])).Single();

        Assert.That(example.Labels, Is.EqualTo(new[]
        {
            Example.Masked, 1, Example.Masked, Example.Masked, 0, Example.Masked, Example.Masked,
        }), "begin, space and two letters, space and one letter, end");
        Assert.That(example.Boxes!.Chunk(4).Select(box => box[2]), Is.EqualTo(new[] { 0, 3, 3, 3, 7, 7, last }));
    }

    [TestCase("[[1, 2, 3, 1001], [5, 6, 7, 8]]", "outside of the page")]
    [TestCase("[[1, 2, 3, -4], [5, 6, 7, 8]]", "outside of the page")]
    [TestCase("[[1, 2, 3, 4], [9, 6, 7, 8]]", "ends before it begins")]
    [TestCase("[[1, 2, 3, 4]]", "one box for each word")]
    [TestCase("[[1, 2, 3], [5, 6, 7, 8]]", "left, top, right and bottom")]
    [TestCase("7", "a list of boxes")]
    public void A_bad_box_is_an_error_with_file_and_line(string boxes, string problem)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["page.jsonl"], $$"""{"words": ["ab", "c"], "boxes": {{boxes}}, "tags": ["B", "O"]}""");
        Assert.That(() => DataFiles.ReadFile(directory["page.jsonl"]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("page.jsonl, line 1").And.Message.Contains(problem));
    }

    [Test]
    public void Words_without_boxes_are_refused_by_a_model_of_pages_and_boxes_by_a_model_of_text()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["text.jsonl"], """{"tokens": ["ab", "c"], "tags": ["B", "O"]}""");
        File.WriteAllText(directory["page.jsonl"], """{"words": ["ab"], "boxes": [[1, 2, 3, 4]], "tags": ["B"]}""");

        Assert.That(() => PageEncoder(directory, "layoutlm").Encode(DataFiles.ReadFile(directory["text.jsonl"])),
            Throws.TypeOf<BadInputException>().With.Message.Contains("\"boxes\""));
        var text = new ExampleEncoder(new CharacterEncoder(), new EncodeOptions
        {
            MaxSeqLength = 32,
            Task = ModelTask.TokenClassification,
            Labels = ["O", "B"],
        });
        Assert.That(() => text.Encode(DataFiles.ReadFile(directory["page.jsonl"])),
            Throws.TypeOf<BadInputException>().With.Message.Contains("does not read where words are"));
    }

    private static ExampleEncoder PageEncoder(TemporaryDirectory directory, string type) =>
        new(new CharacterEncoder { AddsBos = true, AddsEos = true }, new EncodeOptions
        {
            MaxSeqLength = 32,
            Task = ModelTask.TokenClassification,
            Labels = ["O", "B"],
            Pictures = PictureReader.Open(Declared(PageConfig(type)), directory.FullPath, Decode),
        });

    private static string PageConfig(string type) => Page.Replace("TYPE", type).Replace("}}", type == "layoutlm" ? "}}"
        : "}, \"visual_embed\": false, \"coordinate_size\": 4, \"shape_size\": 4}");

    private static ExampleEncoder Encoder(PictureReader pictures, bool skips = false) => new((Tokenizers.Tokenizer?)null, new EncodeOptions
    {
        MaxSeqLength = 2,
        Task = ModelTask.ImageClassification,
        Labels = ["cat", "dog"],
        Pictures = pictures,
        SkipBadFiles = skips,
    });

    private static PictureReader ReaderOf(TemporaryDirectory directory, string json = """{"size": 8}""")
    {
        File.WriteAllText(directory["preprocessor_config.json"], json);
        return PictureReader.Open(Declared(Vit), directory.FullPath, Decode);
    }

    private static TransformerModel Declared(string json) => ModelLoader.Declare(ConfigReader.Parse(json, "config.json"));

    private static void Write(TemporaryDirectory directory, string one, string two, params string[] names)
    {
        Directory.CreateDirectory(directory[one, two]);
        foreach (string name in names)
        {
            File.WriteAllText(directory[one, two, name], name);
        }
    }

    /// <summary>A picture that depends on the file's name; files named "bad" are none.</summary>
    private static Picture Decode(string path) => !File.Exists(path) || Path.GetFileName(path).StartsWith("bad", StringComparison.Ordinal)
        ? throw new BadInputException($"{path}: no picture.")
        : Picture.FromRgb(path, [.. Enumerable.Range(0, 10 * 12 * 3).Select(i => (byte)(i * 7 + path.Length))], 10, 12);

    private static float[] Read(DenseSource source, SampleDraw draw)
    {
        float[] values = new float[source.Shape.Count];
        source.Read(values, draw);
        return values;
    }
}
