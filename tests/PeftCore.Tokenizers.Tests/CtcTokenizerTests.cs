namespace PeftCore.Tokenizers.Tests;

public sealed class CtcTokenizerTests
{
    private const string Vocabulary = """{"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "A": 5, "L": 6, "H": 7}""";

    private const string Config = """
        {"tokenizer_class": "Wav2Vec2CTCTokenizer", "pad_token": "<pad>", "unk_token": "<unk>", "word_delimiter_token": "|"}
        """;

    [Test]
    public void Characters_are_tokens_and_spaces_the_word_delimiter()
    {
        var tokenizer = Load(Vocabulary, Config);
        Assert.That(tokenizer.Encode("HALL AX").Ids, Is.EqualTo(new[] { 7, 5, 6, 6, 4, 5, 3 }));
        Assert.That((tokenizer.PadId, tokenizer.UnkId), Is.EqualTo((0, 3)));
    }

    [Test]
    public void Decoding_collapses_repeats_that_no_blank_separates() =>
        Assert.That(Load(Vocabulary, null).Decode([7, 7, 0, 5, 6, 6, 0, 6, 4, 4, 5], skipSpecialTokens: false), Is.EqualTo("HALL A"));

    [TestCase("""{"tokenizer_class": "Wav2Vec2CTCTokenizer", "do_lower_case": true}""", "do_lower_case")]
    [TestCase("""{"tokenizer_class": "Wav2Vec2CTCTokenizer", "target_lang": "eng"}""", "target_lang")]
    [TestCase("""{"tokenizer_class": "BertTokenizer"}""", "tokenizer_class")]
    public void A_field_that_is_not_supported_is_named(string config, string field) =>
        Assert.That(() => Load(Vocabulary, config), Throws.TypeOf<BadInputException>().With.Message.Contains(field));

    [Test]
    public void Vocabularies_of_several_languages_are_refused() =>
        Assert.That(() => Load("""{"eng": {"A": 0}}""", Config),
            Throws.TypeOf<BadInputException>().With.Message.Contains("several languages"));

    private static Tokenizer Load(string vocabulary, string? config)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["vocab.json"], vocabulary);
        if (config is not null)
        {
            File.WriteAllText(directory["tokenizer_config.json"], config);
        }
        return Tokenizer.FromDirectory(directory.FullPath);
    }
}
