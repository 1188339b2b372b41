using System.Text.Json;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>Takes the place of a tokenizer for models that read no text.</summary>
internal sealed class NoText : ITextEncoder
{
    public int? BosId => null;

    public int? EosId => null;

    public int? MaskId => null;

    public int VocabularySize => 0;

    public EncodedText Encode(string text, bool addSpecialTokens) => throw Problem;

    public EncodedText EncodePair(string text, string pair) => throw Problem;

    public RenderedChat? RenderChat(IReadOnlyList<ChatMessage> turns, IReadOnlyDictionary<string, JsonElement>? variables, bool marked) =>
        throw Problem;

    private static BadInputException Problem => new("the rows have texts, but the model has no tokenizer");
}
