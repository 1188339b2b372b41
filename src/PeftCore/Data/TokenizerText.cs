using System.Text.Json;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>Adapts a <see cref="Tokenizer"/> to <see cref="ITextEncoder"/>.</summary>
internal sealed class TokenizerText(Tokenizer tokenizer, ChatTemplate? chosen) : ITextEncoder
{
    public int? BosId => tokenizer.BosId;

    public int? EosId => tokenizer.EosId;

    public int? MaskId => tokenizer.SpecialTokens.TryGetValue("mask_token", out string? mask) ? tokenizer.IdOf(mask) : null;

    public int? UnkId => tokenizer.UnkId;

    public int? PadId => tokenizer.PadId;

    public int VocabularySize => tokenizer.VocabularySize;

    public EncodedText Encode(string text, bool addSpecialTokens) => Of(tokenizer.Encode(text, addSpecialTokens));

    public EncodedText EncodePair(string text, string pair) => Of(tokenizer.Encode(text, pair));

    private static EncodedText Of(Encoding encoding)
    {
        int[] starts = new int[encoding.Length], ends = new int[encoding.Length];
        for (int i = 0; i < encoding.Length; i++)
        {
            (starts[i], ends[i]) = (encoding.Offsets[i].Start, encoding.Offsets[i].End);
        }

        return new EncodedText(encoding.Ids, starts, ends, encoding.SpecialTokensMask, encoding.TypeIds);
    }

    public RenderedChat? RenderChat(IReadOnlyList<ChatMessage> turns, IReadOnlyDictionary<string, JsonElement>? variables, bool marked)
    {
        // A template accepts values of any .NET type, so the tokenizer's dictionary holds objects; JSON's null becomes null.
        var values = variables?.ToDictionary(field => field.Key,
            field => field.Value.ValueKind == JsonValueKind.Null ? null : (object?)field.Value);
        if ((chosen ?? tokenizer.FindTemplate(withTools: values?.GetValueOrDefault("tools") is not null)) is not ChatTemplate template)
        {
            return null;
        }
        return marked ? tokenizer.RenderChatWithSpans(turns, template, values)
            : new RenderedChat(tokenizer.RenderChat(turns, addGenerationPrompt: false, template, values), []);
    }
}
