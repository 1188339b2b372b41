using System.Text.Json.Nodes;

namespace PeftCore.Tokenizers.Tests;

public sealed class TokenizerTests
{
    [Test]
    public void Ids_and_tokens_find_each_other()
    {
        var tokenizer = TokenizerFixtures.Load("byte_bpe");

        Assert.That(tokenizer.IdOf("<|endoftext|>"), Is.Zero);
        Assert.That(tokenizer.TokenOf(0), Is.EqualTo("<|endoftext|>"));
        Assert.That(tokenizer.IdOf("no such token"), Is.Null);
        Assert.That(tokenizer.TokenOf(4096), Is.Null);
        Assert.That(tokenizer.TokenOf(-1), Is.Null);
        Assert.That(tokenizer.VocabularySize, Is.EqualTo(4096));
        Assert.That(tokenizer.LargestId, Is.EqualTo(4095));
        Assert.That(tokenizer.IsSpecial(1), Is.True);
        Assert.That(tokenizer.IsSpecial(100), Is.False);
    }

    [Test]
    public void A_pair_is_put_together_as_the_template_says()
    {
        var encoding = TokenizerFixtures.Load("wordpiece").Encode("hello world", "the dog");

        Assert.That(encoding.Tokens, Is.EqualTo(new[] { "[CLS]", "hell", "##o", "world", "[SEP]", "the", "dog", "[SEP]" }));
        Assert.That(encoding.TypeIds, Is.EqualTo(new[] { 0, 0, 0, 0, 0, 1, 1, 1 }));
        Assert.That(encoding.SpecialTokensMask, Is.EqualTo(new[] { true, false, false, false, true, false, false, true }));
        Assert.That(encoding.Offsets[6], Is.EqualTo(new TextRange(4, 7)));
    }

    [Test]
    public void A_batch_is_its_texts_one_by_one()
    {
        var tokenizer = TokenizerFixtures.Load("byte_bpe");
        string[] texts = [.. Enumerable.Range(0, 200).Select(i => $"text number {i}, {new string('x', i % 17)} über 😀")];

        var batch = tokenizer.EncodeBatch(texts);

        Assert.That(batch.Select(e => e.Ids), Is.EqualTo(texts.Select(t => tokenizer.Encode(t).Ids)));
    }

    [TestCase("byte_bpe")]
    [TestCase("sentencepiece_bpe")]
    public void A_stream_gives_the_text_of_the_whole_without_broken_characters(string kind)
    {
        var tokenizer = TokenizerFixtures.Load(kind);
        const string Text = "The naïve fox — 日本語 😀👩‍👩‍👧 said: “don't!” \u0000 end ";
        // The byte tokens of this fixture are marked special.
        int[] ids = tokenizer.Encode(Text, addSpecialTokens: false).Ids;
        var stream = tokenizer.StartStream(skipSpecialTokens: false);

        var parts = ids.Select(stream.Append).ToList();
        parts.Add(stream.Finish());

        Assert.That(string.Concat(parts), Is.EqualTo(tokenizer.Decode(ids, skipSpecialTokens: false)));
        Assert.That(parts, Has.None.Contains("\uFFFD"));
        Assert.That(parts.Count(p => p.Length > 0), Is.GreaterThan(10));
    }

    [Test]
    public void A_stream_that_ends_inside_a_character_says_so_at_the_end()
    {
        var tokenizer = TokenizerFixtures.Load("byte_bpe");
        int[] ids = tokenizer.Encode("日").Ids;
        var stream = tokenizer.StartStream();

        Assert.That(ids[..^1].Select(stream.Append), Is.All.Empty);
        Assert.That(stream.Finish(), Is.EqualTo("\uFFFD"));
    }

    [Test]
    public void Words_keep_their_spaces_in_a_stream()
    {
        var tokenizer = TokenizerFixtures.Load("unigram");
        var stream = tokenizer.StartStream();

        string[] parts = tokenizer.Encode("the dog and the fox", addSpecialTokens: false).Ids.Select(stream.Append).ToArray();

        Assert.That(string.Concat(parts), Is.EqualTo("the dog and the fox"));
        Assert.That(parts[0], Does.Not.StartWith(" "));
    }

    [Test]
    public void A_lone_surrogate_is_read_as_the_replacement_character()
    {
        var tokenizer = TokenizerFixtures.Load("byte_bpe");

        Assert.That(tokenizer.Decode(tokenizer.Encode("a\uD83D b\uDE00").Ids), Is.EqualTo("a\uFFFD b\uFFFD"));
    }

    [Test]
    public void Special_tokens_come_from_the_files_beside_the_tokenizer()
    {
        using var directory = new TemporaryDirectory();
        File.Copy(Path.Combine(TokenizerFixtures.Directory("byte_bpe"), "tokenizer.json"), directory["tokenizer.json"]);
        File.WriteAllText(directory["tokenizer_config.json"], """
            {"bos_token": {"content": "<|endoftext|>", "lstrip": false}, "pad_token": null, "model_max_length": 1e30,
             "chat_template": [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "{{ messages[0].content }}!"}]}
            """);
        File.WriteAllText(directory["special_tokens_map.json"],
            """{"eos_token": "<|endoftext|>", "pad_token": "<|pad|>", "unk_token": "absent"}""");

        var tokenizer = Tokenizer.FromDirectory(directory.FullPath);

        Assert.That((tokenizer.BosId, tokenizer.EosId, tokenizer.PadId, tokenizer.UnkId),
            Is.EqualTo(((int?)0, (int?)0, (int?)1, (int?)null)));
        Assert.That(tokenizer.ChatTemplate!.Render([new ChatMessage("user", "hi")]), Is.EqualTo("hi!"));
    }

    [Test]
    public void A_template_file_is_used_before_the_one_in_the_configuration()
    {
        using var directory = new TemporaryDirectory();
        File.Copy(Path.Combine(TokenizerFixtures.Directory("byte_bpe"), "tokenizer.json"), directory["tokenizer.json"]);
        File.WriteAllText(directory["tokenizer_config.json"], """{"chat_template": "old"}""");
        File.WriteAllText(directory["chat_template.jinja"], "new");

        Assert.That(Tokenizer.FromDirectory(directory.FullPath).ChatTemplate!.Render([]), Is.EqualTo("new"));
    }

    [Test]
    public void A_directory_without_tokenizer_is_refused()
    {
        using var directory = new TemporaryDirectory();

        Assert.That(() => Tokenizer.FromDirectory(directory.FullPath),
            Throws.InstanceOf<BadInputException>().With.Message.Contains("tokenizer.json"));
    }

    [Test]
    public void A_tokenizer_without_template_names_the_built_in_ones() =>
        Assert.That(() => TokenizerFixtures.Load("byte_bpe").EncodeChat([]),
            Throws.InstanceOf<BadInputException>().With.Message.Contains("chatml"));

    [Test]
    public void New_added_tokens_are_numbered_from_the_end_of_the_vocabulary()
    {
        var json = TokenizerFixtures.Json("byte_bpe");
        json["added_tokens"]!.AsArray().Add(JsonNode.Parse("""
            {"id": 4096, "content": "<|new|>", "single_word": false, "lstrip": false, "rstrip": true, "normalized": false, "special": false}
            """));

        var encoding = TokenizerFixtures.Read(json).Encode("a<|new|>  b");

        Assert.That(encoding.Tokens, Is.EqualTo(new[] { "a", "<|new|>  ", "b" }));
        Assert.That(encoding.Ids[1], Is.EqualTo(4096));
        Assert.That(encoding.Offsets[1], Is.EqualTo(new TextRange(1, 10)));
    }

    [Test]
    public void Merges_written_as_one_string_are_the_same_merges()
    {
        var json = TokenizerFixtures.Json("byte_bpe");
        var merges = json["model"]!["merges"]!.AsArray();
        json["model"]!["merges"] = new JsonArray(
            [JsonValue.Create("#version: 0.2"), .. merges.Select(m => (JsonNode?)JsonValue.Create($"{m![0]} {m[1]}"))]);
        const string Text = "The quick brown fox jumps over the lazy dog";

        Assert.That(TokenizerFixtures.Read(json).Encode(Text).Ids, Is.EqualTo(TokenizerFixtures.Load("byte_bpe").Encode(Text).Ids));
    }

    [Test]
    public void A_text_of_one_long_word_is_merged_in_reasonable_time()
    {
        var tokenizer = TokenizerFixtures.Load("sentencepiece_bpe");
        string text = string.Concat(Enumerable.Repeat("thequickbrownfox", 20_000));

        var encoding = tokenizer.Encode(text, addSpecialTokens: false);

        Assert.That(encoding.Offsets[^1].End, Is.EqualTo(text.Length));
    }
}
