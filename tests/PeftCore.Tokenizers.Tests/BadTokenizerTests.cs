using FsCheck;
using FsCheck.Fluent;
using System.Text.Json.Nodes;

namespace PeftCore.Tokenizers.Tests;

public sealed class BadTokenizerTests
{
    private static readonly string[] Texts = ["", "The fox's café 123, 日本 😀!\n", "<s>[CLS] <|endoftext|>  a\u0301"];

    private static readonly string[] Values =
    [
        "null", "true", "-1", "0", "1e99", "2147483648", "\"\"", "\"x\"", "\"\\ud800\"", "[]", "{}", "[[]]", "\"Sequence\"", "\"BPE\"",
        "\"(a+)+$\"",
        "\"[a-\"", "\"(?<!\"", "3.5", "\"\\u0000\"",
    ];

    [TestCase("""{"version": "2.0"}""", "version")]
    [TestCase("""{"version": "1.0", "model": {"type": "Magic"}}""", "model.type")]
    [TestCase("""{"surprise": 1}""", "surprise")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}}""", "model.merges[0]")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}""", "model.vocab.a")]
    [TestCase("""{"model": {"type": "WordLevel", "vocab": {}, "unk_token": 5}}""", "model.unk_token")]
    [TestCase("""{"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 1}}""", "model.unk_id")]
    [TestCase("""{"model": {"type": "WordLevel", "vocab": {}, "unk_token": "u"}, "normalizer": {"type": "NFC", "form": 1}}""",
        "normalizer.form")]
    [TestCase("""{"model": {"type": "WordLevel", "vocab": {}, "unk_token": "u"}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Removed", "invert": false}}""", "pre_tokenizer.pattern.Regex")]
    [TestCase("""{"model": {"type": "WordLevel", "vocab": {}, "unk_token": "u"}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Nope"}]}}""", "pre_tokenizer.pretokenizers[0].type")]
    [TestCase("""{"model": {"type": "WordLevel", "vocab": {}, "unk_token": "u"}, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}}], "pair": [], "special_tokens": {}}}""", "post_processor.single[0].SpecialToken.id")]
    [TestCase("""{"model": {"type": "WordLevel", "vocab": {}, "unk_token": "u"}, "decoder": {"type": "Strip", "content": "ab", "start": 0, "stop": 0}}""", "decoder.content")]
    [TestCase("""{"model": {"type": "WordLevel", "vocab": {}, "unk_token": "u"}, "added_tokens": [{"id": 0, "content": "a"}]}""",
        "added_tokens[0].single_word")]
    public void What_is_not_understood_is_refused_by_name(string json, string place) =>
        Assert.That(() => TokenizerFixtures.Read(json), Throws.InstanceOf<BadInputException>().With.Message.Contains(place));

    [TestCase("{\"version\": \"1.0\"")]
    [TestCase("")]
    [TestCase("[]")]
    [TestCase("{\"model\": {\"type\": \"\\ud800\"}}")]
    public void A_file_that_is_not_a_tokenizer_is_refused(string json) =>
        Assert.That(() => TokenizerFixtures.Read(json), Throws.InstanceOf<BadInputException>());

    [Test]
    public void Deep_nesting_is_refused() =>
        Assert.That(() => TokenizerFixtures.Read("{\"model\": " + new string('[', 100_000)), Throws.InstanceOf<BadInputException>());

    [Test]
    public void A_missing_unknown_token_is_an_error_only_when_it_is_needed()
    {
        var tokenizer = TokenizerFixtures.Read("""{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "u"}}""");

        Assert.That(tokenizer.Encode("a").Ids, Is.EqualTo(new[] { 0 }));
        Assert.That(() => tokenizer.Encode("b"), Throws.InstanceOf<BadInputException>().With.Message.Contains("\"u\""));
    }

    [Test]
    public void A_wild_id_costs_no_memory()
    {
        var tokenizer = TokenizerFixtures.Read("""{"model": {"type": "WordLevel", "vocab": {"a": 2147483647}, "unk_token": "a"}}""");

        Assert.That(tokenizer.TokenOf(2147483647), Is.EqualTo("a"));
    }

    [TestCaseSource(typeof(TokenizerFixtures), nameof(TokenizerFixtures.Kinds))]
    public void Changed_bytes_give_a_tokenizer_or_a_clear_refusal(string kind)
    {
        byte[] file = System.Text.Encoding.UTF8.GetBytes(Small(kind).ToJsonString());
        var edits = from position in Gen.Choose(0, file.Length - 1)
                    from length in Gen.Choose(0, 40)
                    from value in Gen.Choose(0, 255)
                    from action in Gen.Choose(0, 3)
                    select (position, length, value, action);
        Check(Prop.ForAll(edits.ArrayOf(3).ToArbitrary(), all => Survives(all.Aggregate(file, Edit))));
    }

    [TestCaseSource(typeof(TokenizerFixtures), nameof(TokenizerFixtures.Kinds))]
    public void Changed_values_give_a_tokenizer_or_a_clear_refusal(string kind)
    {
        var file = Small(kind);
        string[][] places = Places(file).ToArray();
        var edits = from place in Gen.Elements(places)
                    from value in Gen.Elements(Values)
                    select (place, value);
        Check(Prop.ForAll(edits.ArrayOf(2).ToArbitrary(), all =>
        {
            var changed = file.DeepClone();
            foreach (var (place, value) in all)
            {
                Set(changed, place, value);
            }

            return Survives(System.Text.Encoding.UTF8.GetBytes(changed.ToJsonString()
                .Replace("\"\uFFFD\"", "\"\\ud800\"", StringComparison.Ordinal)));
        }));
    }

    private static void Check(Property property) =>
        property.Check(Config.QuickThrowOnFailure.WithMaxTest(150).WithReplay(20250101, 1));

    private static byte[] Edit(byte[] bytes, (int Position, int Length, int Value, int Action) edit)
    {
        int at = Math.Min(edit.Position, bytes.Length);
        int end = Math.Min(at + edit.Length, bytes.Length);
        return edit.Action switch
        {
            0 => bytes[..at],
            1 => [.. bytes[..at], .. bytes[end..]],
            2 => [.. bytes[..end], .. bytes[at..]],
            _ => [.. bytes[..at], (byte)edit.Value, .. bytes[Math.Min(at + 1, bytes.Length)..]],
        };
    }

    private static bool Survives(byte[] bytes)
    {
        try
        {
            var tokenizer = TokenizerFixtures.Read(bytes);
            foreach (string text in Texts)
            {
                int[] ids = tokenizer.Encode(text, text).Ids;
                tokenizer.Decode(ids, skipSpecialTokens: false);
                tokenizer.Decode([.. ids, -1, int.MaxValue]);
            }
        }
        catch (BadInputException)
        {
            // A refusal is as good as a tokenizer.
        }

        return true;
    }

    /// <summary>A fixture with little vocabulary, so that most changes hit what matters.</summary>
    private static JsonObject Small(string kind)
    {
        var json = TokenizerFixtures.Json(kind);
        var model = json["model"]!.AsObject();
        if (model["vocab"] is JsonArray list)
        {
            model["vocab"] = new JsonArray([.. list.Take(40).Select(i => i!.DeepClone())]);
        }
        else
        {
            model["vocab"] = new JsonObject(model["vocab"]!.AsObject().Where(p => p.Key.Length == 1 || p.Key.StartsWith('<')
                || p.Key.StartsWith('['))
                .Take(320).Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));
        }

        if (model["merges"] is JsonArray merges)
        {
            model["merges"] = new JsonArray([.. merges.Take(3).Select(i => i!.DeepClone())]);
            foreach (var merge in merges.Take(3))
            {
                model["vocab"]![$"{merge![0]}{merge[1]}"] = model["vocab"]!.AsObject().Count;
            }
        }

        json["added_tokens"] = new JsonArray([.. json["added_tokens"]!.AsArray().Take(4).Select(i => i!.DeepClone())]);
        return json;
    }

    private static IEnumerable<string[]> Places(JsonNode node) => node switch
    {
        JsonObject map => map.SelectMany(p => Below(p.Key, p.Value)).Where(p => p is not ["model", "vocab", _, ..]),
        JsonArray list => list.SelectMany((item, index) => Below($"{index}", item)),
        _ => [],
    };

    private static IEnumerable<string[]> Below(string name, JsonNode? node) =>
        (node is null ? [] : Places(node)).Select(p => (string[])[name, .. p]).Prepend([name]);

    private static void Set(JsonNode root, string[] place, string value)
    {
        var at = root;
        foreach (string? name in place.AsSpan(0, place.Length - 1))
        {
            at = at is JsonArray list ? (int.TryParse(name, out int i) && i < list.Count ? list[i] : null) : (at as JsonObject)?[name];
        }

        var parsed = JsonNode.Parse(value == "\"\\ud800\"" ? "\"\uFFFD\"" : value);
        if (at is JsonObject map)
        {
            map[place[^1]] = parsed;
        }
        else if (at is JsonArray items && int.TryParse(place[^1], out int index) && index < items.Count)
        {
            items[index] = parsed;
        }
    }
}
