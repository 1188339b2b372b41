using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>A tokenizer as the data code sees it.</summary>
internal sealed class TokenizerText(Tokenizer tokenizer, ChatTemplate? chosen) : ITextEncoder
{
    public int? BosId => tokenizer.BosId;

    public int? EosId => tokenizer.EosId;

    public EncodedText Encode(string text, bool addSpecialTokens)
    {
        var encoding = tokenizer.Encode(text, addSpecialTokens);
        int[] starts = new int[encoding.Length], ends = new int[encoding.Length];
        for (int i = 0; i < encoding.Length; i++)
        {
            (starts[i], ends[i]) = (encoding.Offsets[i].Start, encoding.Offsets[i].End);
        }

        return new EncodedText(encoding.Ids, starts, ends, encoding.SpecialTokensMask);
    }

    public RenderedChat? RenderChat(IReadOnlyList<ChatMessage> turns, IReadOnlyDictionary<string, object?>? variables, bool marked)
    {
        if ((chosen ?? tokenizer.FindTemplate(withTools: variables?.GetValueOrDefault("tools") is not null)) is not ChatTemplate template)
        {
            return null;
        }
        return marked ? tokenizer.RenderChatWithSpans(turns, template, variables)
            : new RenderedChat(tokenizer.RenderChat(turns, addGenerationPrompt: false, template, variables), []);
    }
}
