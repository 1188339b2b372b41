using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftCore.Tokenizers.Tests;

/// <summary>variants.json: the fixtures with other parts in them (normalizers, pre-tokenizers with the regular expressions of well-known
/// models, post-processors, decoders, added tokens, model options), encoded by Hugging Face tokenizers 0.23.2.</summary>
public sealed class ReferenceVariantTests
{
    public static IEnumerable<TestCaseData> Variants()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(TestFiles.Fixture("tokenizers", "variants.json")));
        foreach (var variant in document.RootElement.EnumerateArray())
        {
            yield return new TestCaseData(variant.GetRawText()).SetArgDisplayNames(variant.GetProperty("name").GetString()!);
        }
    }

    [TestCaseSource(nameof(Variants))]
    public void A_variant_encodes_and_decodes_as_the_reference_does(string json)
    {
        using var variant = JsonDocument.Parse(json);
        var tokenizer = TokenizerFixtures.Read(Changed(variant.RootElement));
        foreach (var item in variant.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            var encoding = tokenizer.Encode(text);
            string shown = JsonSerializer.Serialize(text);

            Assert.That(encoding.Ids, Is.EqualTo(Numbers(item.GetProperty("ids"))), shown);
            Assert.That(encoding.Offsets.SelectMany(o => new[] { o.Start, o.End }), Is.EqualTo(Numbers(item.GetProperty("offsets"))),
                shown);
            Assert.That(tokenizer.Decode(encoding.Ids, skipSpecialTokens: false), Is.EqualTo(item.GetProperty("decoded").GetString()),
                shown);
        }
    }

    private static JsonNode Changed(JsonElement variant)
    {
        var json = TokenizerFixtures.Json(variant.GetProperty("base").GetString()!);
        foreach (var change in variant.GetProperty("change").EnumerateObject())
        {
            if (change.Name == "model")
            {
                foreach (var option in change.Value.EnumerateObject())
                {
                    json["model"]![option.Name] = JsonNode.Parse(option.Value.GetRawText());
                }
            }
            else
            {
                json[change.Name] = JsonNode.Parse(change.Value.GetRawText());
            }
        }

        return json;
    }

    private static int[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(i => i.GetInt32())];
}
