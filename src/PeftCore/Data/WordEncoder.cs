namespace PeftCore.Data;

/// <summary>Encodes the words of a text that is split already, as transformers does with is_split_into_words. A tokenizer that marks the
/// start of a word by the space before it gets one before every word, as with its add_prefix_space.</summary>
internal sealed class WordEncoder
{
    private const string Word = "a";

    private readonly ITextEncoder _tokenizer;
    private readonly string _before;

    public WordEncoder(ITextEncoder tokenizer)
    {
        _tokenizer = tokenizer;
        int[] alone = Encode(Word), together = Encode($"{Word} {Word}");
        int[] spaced = Encode(" " + Word);
        bool needsSpace = !together.AsSpan().SequenceEqual([.. alone, .. alone]) && together.AsSpan().SequenceEqual([.. alone, .. spaced]);
        _before = needsSpace ? " " : "";
    }

    /// <summary>The tokens of a word; none if the tokenizer drops it.</summary>
    public int[] TokensOf(string word) => Encode(_before + word);

    private int[] Encode(string text) => _tokenizer.Encode(text, addSpecialTokens: false).Ids;
}
