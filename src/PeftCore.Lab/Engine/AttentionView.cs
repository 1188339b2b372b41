using PeftCore.Models;
using PeftCore.Tokenizers;

namespace PeftCore.Lab.Engine;

/// <summary>The attention probabilities of one head over the prompt.</summary>
/// <param name="Keys">Texts of the keys: of a prefix or virtual tokens first, then of the tokens.</param>
/// <param name="Queries">Texts of the queries.</param>
/// <param name="Cells">Probabilities, a row for each query.</param>
internal sealed record AttentionView(string[] Queries, string[] Keys, double[][] Cells)
{
    /// <summary>The most tokens that are shown, the first of the prompt.</summary>
    private const int MostTokens = 48;

    /// <exception cref="BadInputException">There is no such block or head.</exception>
    public static AttentionView Of(TransformerModel model, Tokenizer tokenizer, string text, int layer, int head)
    {
        int[] ids = [.. tokenizer.Encode(text).Ids.Take(MostTokens)];
        if (ids.Length == 0)
        {
            throw new BadInputException("the prompt has no token to attend from");
        }
        var (probabilities, shape) = model.AttentionOf(ids, layer);
        var (heads, queries, keys) = (shape[0], shape[1], shape[2]);
        if (head >= heads)
        {
            throw new BadInputException($"head is {head}, expected a number from 0 to {heads - 1}");
        }
        string[] tokens = [.. ids.Select(id => tokenizer.Decode([id]))];
        return new AttentionView(Named(tokens, queries, "virtual"), Named(tokens, keys, queries == tokens.Length ? "prefix" : "virtual"),
            [.. Enumerable.Range(0, queries).Select(query => Array.ConvertAll(
                probabilities.AsSpan((head * queries + query) * keys, keys).ToArray(), p => (double)p))]);
    }

    private static string[] Named(string[] tokens, int count, string before) =>
        [.. Enumerable.Range(1, count - tokens.Length).Select(number => $"{before} {number}"), .. tokens];
}
