using PeftCore.Io;
using PeftCore.Io.Gguf;
using PeftCore.Tokenizers;

namespace PeftCore.Tests.Io.Gguf;

/// <summary>Tokenizers written to the metadata of GGUF files and read again.</summary>
public sealed class GgufTokenizerTests
{
    private static readonly string[] Texts =
    [
        "Hello world", " two  spaces ", "naïve café — 東京 🙂", "3 apples, 42%", "line\nbreak\ttab", "", "don't WE'LL", "a\u0000b",
        "Ünïcödé ﬁ",
    ];

    private TemporaryDirectory _directory;

    [SetUp]
    public void Open() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Close() => _directory.Dispose();

    [TestCase("byte_bpe")]
    [TestCase("sentencepiece_bpe")]
    public void A_tokenizer_from_the_metadata_gives_the_ids_of_its_own(string kind)
    {
        string source = TestFiles.Fixture("tokenizers", kind);
        var own = Tokenizer.FromDirectory(source);
        File.Copy(Path.Combine(source, "tokenizer.json"), _directory["tokenizer.json"]);
        File.WriteAllText(_directory["config.json"], $"{{\"vocab_size\":{own.LargestId + 3}}}");
        var warnings = new List<string>();
        var metadata = new GgufMetadata();
        var directory = ModelDirectory.Open(_directory.FullPath);
        GgufVocabulary.Add(metadata, directory, directory.OpenConfig(), warnings);
        Assert.That(warnings, Is.Empty);
        Directory.CreateDirectory(_directory["g"]);
        GgufWriter.Write(_directory["g", "m.gguf"], metadata, []);
        using var file = GgufFile.Open(_directory["g", "m.gguf"]);
        Assert.That(GgufTokenizer.WhyNot(file), Is.Null);
        var files = GgufTokenizer.Files(file);
        var read = Tokenizer.FromDirectory(_directory["g"],
            path => files.GetValueOrDefault(Path.GetFileName(path)) is { } text ? JsonFile.Bytes(text) : null);
        foreach (string text in Texts)
        {
            int[] ids = own.Encode(text, addSpecialTokens: false).Ids;
            Assert.That(read.Encode(text, addSpecialTokens: false).Ids, Is.EqualTo(ids), text);
            // This tokenizer.json lists its bytes as special.
            Assert.That(read.Decode(ids, skipSpecialTokens: false), Is.EqualTo(own.Decode(ids, skipSpecialTokens: false)), text);
        }
    }

    [Test]
    public void Pieces_of_SentencePiece_merge_by_their_scores()
    {
        string[] pieces = ["a", "b", "c", "ab", "bc", "abc"];
        Assert.That(SentencePieceMerges.Of(pieces, [-9, -9, -9, -2, -1, -3], _ => true),
            Is.EqualTo(new[] { ("b", "c"), ("a", "b"), ("ab", "c"), ("a", "bc") }));
    }

    [Test]
    public void A_tokenizer_that_is_not_read_is_taken_from_beside_the_file_or_refused()
    {
        File.WriteAllBytes(_directory["m.gguf"], new GgufBytes().Value("tokenizer.ggml.model", "gpt2")
            .Value("tokenizer.ggml.pre", "new-one").Value("tokenizer.ggml.tokens", 9, [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).ToArray());
        Assert.That(() => ModelDirectory.OpenTokenizer(_directory["m.gguf"]), Throws.TypeOf<BadInputException>().With.Message.Contains(
            "splits texts as \"new-one\"").And.Message.Contains("tokenizer.json beside the file"));
        File.Copy(TestFiles.Fixture("tokenizers", "byte_bpe", "tokenizer.json"), _directory["tokenizer.json"]);
        Assert.That(ModelDirectory.OpenTokenizer(_directory["m.gguf"]).VocabularySize, Is.GreaterThan(100));
    }

    [Test]
    public void Patterns_of_words_are_found_again_in_a_tokenizers_own_file()
    {
        foreach (string name in GgufPreTokenizer.Known.Split(", "))
        {
            Assert.That(GgufPreTokenizer.Of(GgufPreTokenizer.Find(name)!.Json)!.Names[0], Is.EqualTo(name));
        }
    }
}
