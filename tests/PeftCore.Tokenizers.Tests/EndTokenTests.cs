namespace PeftCore.Tokenizers.Tests;

/// <summary>Which token ends texts, and what is said where the files of a model do not agree on special tokens.</summary>
public sealed class EndTokenTests
{
    [TestCase("{}", "{\"eos_token_id\": 2}", null, 2, new[] { 2 }, "the tokenizer names no eos_token; token 2 (\"</s>\")")]
    [TestCase("{}", "{\"eos_token_id\": [2, 3]}", null, 2, new[] { 2, 3 }, "names no eos_token")]
    [TestCase("{}", "{}", "{\"eos_token_id\": [4]}", 4, new[] { 4 }, "names no eos_token; token 4 (\"b\")")]
    [TestCase("{\"eos_token\": \"</x>\"}", "{\"eos_token_id\": 2}", null, 2, new[] { 2 },
        "eos_token \"</x>\" is not in the vocabulary of tokenizer.json; token 2")]
    [TestCase("{\"eos_token\": \"</x>\"}", "{}", null, null, new int[0], "eos_token \"</x>\" is not in the vocabulary")]
    [TestCase("{\"eos_token\": \"</s>\"}", "{\"eos_token_id\": 3}", null, 2, new[] { 3, 2 },
        "\"</s>\" is token 2, but eos_token_id is 3 in config.json")]
    [TestCase("{\"eos_token\": \"</s>\"}", "{\"eos_token_id\": 2}", "{\"eos_token_id\": [3, 4]}", 2, new[] { 3, 4, 2 },
        "eos_token_id is 2 in config.json but 3 and 4 in generation_config.json")]
    [TestCase("{\"eos_token\": \"</s>\"}", "{\"eos_token_id\": 2}", "{\"eos_token_id\": [3, 4]}", 2, new[] { 3, 4, 2 },
        "but eos_token_id is 3 and 4 in generation_config.json; texts to learn end with 2")]
    [TestCase("{}", "{\"eos_token_id\": 99}", null, null, new[] { 99 }, "eos_token_id 99 of the model's config is not in the vocabulary")]
    [TestCase("{\"eos_token\": \"</s>\", \"bos_token\": \"<s>\"}", "{\"bos_token_id\": 0}", null, 2, new[] { 2 },
        "bos_token \"<s>\" is token 1, but bos_token_id is 0")]
    [TestCase("{\"eos_token\": \"</s>\", \"pad_token\": \"<pad>\"}", "{}", null, 2, new[] { 2 },
        "pad_token \"<pad>\" is not in the vocabulary")]
    [TestCase("{\"eos_token\": \"</s>\"}", "{\"pad_token_id\": 32000}", null, 2, new[] { 2 },
        "pad_token_id 32000 of the model's config is not in the vocabulary")]
    [TestCase("{\"eos_token\": \"</s>\", \"bos_token\": \"<s>\", \"add_bos_token\": true}", "{}", null, 2, new[] { 2 },
        "add_bos_token is true in tokenizer_config.json, but the post_processor")]
    [TestCase("{\"eos_token\": \"</s>\", \"added_tokens_decoder\": {\"7\": {\"content\": \"<s>\"}}}", "{}", null, 2, new[] { 2 },
        "gives \"<s>\" the id 7, but in tokenizer.json it is 1")]
    [TestCase("{\"eos_token\": \"</s>\", \"additional_special_tokens\": [\"<x>\"]}", "{}", null, 2, new[] { 2 },
        "the special token \"<x>\" of tokenizer_config.json is not in the vocabulary")]
    public void The_end_token_is_found_and_contradictions_are_said(string tokenizerConfig, string config, string? generation, int? eos,
        int[] stops, string warning)
    {
        using var directory = new TokenizerDirectory();
        directory["tokenizer_config.json"] = tokenizerConfig;
        directory["config.json"] = config;
        if (generation is not null)
        {
            directory["generation_config.json"] = generation;
        }

        var tokenizer = directory.Load();

        Assert.That((tokenizer.EosId, tokenizer.StopIds), Is.EqualTo((eos, stops)));
        Assert.That(tokenizer.Warnings, Has.One.Contains(warning));
    }

    [Test]
    public void Files_that_agree_give_no_warning()
    {
        using var directory =
            new TokenizerDirectory(
            """, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}""");
        directory["tokenizer_config.json"] =
            """{"eos_token": "</s>", "bos_token": "<s>", "pad_token": "<unk>", "unk_token": "<unk>", "add_bos_token": true, "add_eos_token": false}""";
        directory["special_tokens_map.json"] = """{"eos_token": {"content": "</s>"}, "bos_token": "<s>"}""";
        directory["config.json"] = """{"eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}""";
        directory["generation_config.json"] = """{"eos_token_id": [2, 4]}""";

        Assert.That(directory.Load().Warnings, Is.Empty);
    }

    [TestCase(""", "added_tokens": [ADDED 1 a]""", "added_tokens gives \"a\" the id 1, but it gets 3, its id in model.vocab")]
    [TestCase(""", "added_tokens": [ADDED 6 x, ADDED 6 y]""",
        "added_tokens gives \"y\" the id 6, but it gets 7, the next after the vocabulary")]
    [TestCase(""", "added_tokens": [ADDED 6 x, ADDED 7 x]""",
        "added_tokens gives \"x\" the id 7, but it gets 6, its id earlier in the list")]
    [TestCase(""", "added_tokens": [ADDED 6 ]""", "added_tokens has a token without content at id 6")]
    [TestCase(""", "post_processor": {"type": "BertProcessing", "sep": ["</s>", 4], "cls": ["<s>", 1]}""",
        "post_processor gives \"</s>\" the id 4, but in the vocabulary it is 2")]
    [TestCase(""", "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 4], "cls": ["<s>", 1]}""",
        "post_processor gives \"[SEP]\" the id 4, but the vocabulary has no such token")]
    public void A_tokenizer_that_contradicts_itself_is_read_as_the_reference_reads_it_and_says_so(string parts, string warning)
    {
        parts = System.Text.RegularExpressions.Regex.Replace(parts, "ADDED (\\d+) (\\w*)",
            match => TokenizerDirectory.Added(int.Parse(match.Groups[1].Value), match.Groups[2].Value).ToJsonString());
        using var directory = new TokenizerDirectory(parts);

        Assert.That(directory.Load().Warnings, Has.One.Contains(warning));
    }

    [Test]
    public void An_id_that_two_tokens_have_is_said_and_a_token_that_stands_twice_is_refused()
    {
        using var directory = new TokenizerDirectory();
        directory["tokenizer.json"] = """{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0, "b": 0}}}""";
        Assert.That(directory.Load().Warnings, Has.One.Contains("model.vocab gives the id 0 to \"a\" and to \"b\""));

        directory["tokenizer.json"] = """{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0, "a": 1}}}""";
        Assert.That(directory.Load, Throws.InstanceOf<BadInputException>().With.Message.Contains("tokenizer.json is not valid JSON"));
    }

    [Test]
    public void Scores_are_read_as_the_reference_rounds_them() =>
        // Two paths of "\n\n\n" have the same score but for the last bit; the ids are those of tokenizers 0.23.2.
        Assert.That(TokenizerFixtures.Load("unigram").Encode("740\n\n\npahb pjsq").Ids,
            Is.EqualTo(new[] { 11, 1370, 1495, 1012, 664, 483, 31, 33, 86, 51, 59, 260, 5, 1985, 1 }));
}
