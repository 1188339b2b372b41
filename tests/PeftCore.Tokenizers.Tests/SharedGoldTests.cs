using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftCore.Tokenizers.Tests;

/// <summary>Real vocabularies, which are not part of this repository. PEFTCORE_SHARED names the directory that holds
/// tokenizers/{gpt2,t5-small,bert-base-uncased} and models; without it there is nothing to compare.</summary>
public sealed class SharedGoldTests
{
    private static string? Shared => Environment.GetEnvironmentVariable("PEFTCORE_SHARED");

    [Test]
    public void Real_vocabularies_give_their_gold_encodings()
    {
        var failures = new List<string>();
        int compared = 0;
        foreach (var (name, tokenizer, text, expected) in Gold())
        {
            compared++;
            int[] ids = tokenizer.Encode(text, addSpecialTokens: expected.Special).Ids;
            if (!ids.SequenceEqual(expected.Ids))
            {
                failures.Add($"{name}: {text[..Math.Min(60, text.Length)]}");
            }
        }

        TestContext.Out.WriteLine($"{compared} gold encodings compared, {failures.Count} differ");
        Assert.That(failures, Is.Empty);
    }

    private static IEnumerable<(string Name, Tokenizer Tokenizer, string Text, (int[] Ids, bool Special) Expected)> Gold()
    {
        if (Shared is not { } shared)
        {
            yield break;
        }

        string Path(params string[] parts) => System.IO.Path.Combine([shared, .. parts]);
        var gpt2 = Tokenizer.FromFile(Path("tokenizers", "gpt2", "tokenizer.json"));
        var t5 = Tokenizer.FromDirectory(Path("tokenizers", "t5-small"));
        var bert = Bert(Path("tokenizers", "bert-base-uncased", "vocab.txt"));
        foreach (var (tokenizer, file, special) in new[]
        {
            (gpt2, Path("tokenizers", "gpt2", "gpt2_encoded_tokens.json"), true),
            (t5, Path("tokenizers", "t5-small", "t5_base_encoded.json"), true),
            (bert, Path("tokenizers", "bert-base-uncased", "bert_uncased_encoded.json"), true),
        })
        {
            var json = JsonNode.Parse(File.ReadAllText(file))!;
            var ids = json["token_ids"]!.AsArray().Select(i => i!.GetValue<int>());
            yield return (file, tokenizer, json["text"]!.GetValue<string>(), ([.. ids], special));
        }

        var questions = Array(Path("tokenizers", "bert-base-uncased", "question_tokens.json"));
        var tokens = Array(Path("tokenizers", "bert-base-uncased", "tokenized_questions.json"));
        for (int i = 0; i < questions.Length; i++)
        {
            yield return ($"question {i}", bert, questions[i].GetProperty("original").GetString()!, (Ids(tokens[i]), false));
        }

        using var tests = JsonDocument.Parse(File.ReadAllBytes(Path("tokenizers", "bert-base-uncased", "tokenizer_tests.json")));
        foreach (var (family, tokenizer) in new[] { ("bert-base-uncased", bert), ("google-bert/bert-base-uncased", bert),
            ("distilgpt2", gpt2), ("t5-base", t5) })
        {
            foreach (var test in tests.RootElement.GetProperty(family).EnumerateArray())
            {
                yield return (family, tokenizer, test.GetProperty("input").GetString()!,
                    (Ids(test.GetProperty("encoded").GetProperty("input_ids")), true));
            }
        }

        var story = JsonNode.Parse(File.ReadAllText(Path("models", "tinystories-656k", "EXPECTED.json")))!;
        yield return ("tinystories", Tokenizer.FromDirectory(Path("models", "tinystories-656k")), story["text"]!.GetValue<string>(),
            ([.. story["input_ids"]!.AsArray().Select(i => i!.GetValue<int>())], true));
    }

    private static JsonElement[] Array(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return [.. document.RootElement.EnumerateArray().Select(e => e.Clone())];
    }

    private static int[] Ids(JsonElement list) => [.. list.EnumerateArray().Select(i => i.GetInt32())];

    private static Tokenizer Bert(string vocabFile)
    {
        var json = TokenizerFixtures.Json("wordpiece");
        string[] words = File.ReadAllLines(vocabFile);
        json["model"]!["vocab"] = new JsonObject(words.Select((w, i) => KeyValuePair.Create(w, (JsonNode?)i)));
        foreach (var token in json["added_tokens"]!.AsArray())
        {
            token!["id"] = System.Array.IndexOf(words, token["content"]!.GetValue<string>());
        }

        foreach (var (name, token) in json["post_processor"]!["special_tokens"]!.AsObject())
        {
            token!["ids"] = new JsonArray(System.Array.IndexOf(words, name));
        }

        return TokenizerFixtures.Read(json);
    }
}
