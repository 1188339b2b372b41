using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Attaches trainable rows of token tables (Hugging Face's trainable tokens).</summary>
internal static class TrainableTokens
{
    private static readonly TokenNames InLora = new("trainable_token_indices", "token_adapter.trainable_tokens_delta", SavesTied: false);

    /// <param name="context">The model.</param>
    /// <param name="adapter">The adapter that gets the rows.</param>
    /// <param name="tokens">Tokens by the name of their embedding; the empty name is the model's input embedding.</param>
    public static void Attach(AttachContext context, Adapter adapter, IReadOnlyDictionary<string, IReadOnlyList<int>>? tokens)
    {
        foreach (var (name, indices) in tokens ?? new Dictionary<string, IReadOnlyList<int>>())
        {
            var (path, module) = name.Length == 0
                ? context.Base.NamedModules().First(candidate => candidate.Module == context.Base.TokenEmbedding)
                : TargetMatching.ByName(context.Base, [name], InLora.Field).First();
            if (module == context.Base.VocabularyHead && context.Base.IsTied && IsThatOfEmbedding(context, tokens!, indices))
            {
                continue; // The head shares the rows of the embedding.
            }
            if (module is not Embedding embedding)
            {
                throw new BadInputException($"{InLora.Field}: \"{path}\" is not an embedding; name the token embedding");
            }
            Attach(context, adapter, path, embedding, indices, InLora);
        }
    }

    private static bool IsThatOfEmbedding(AttachContext context, IReadOnlyDictionary<string, IReadOnlyList<int>> tokens,
        IReadOnlyList<int> indices) =>
        tokens.Any(pair => pair.Key.Length > 0 && TargetMatching.ByName(context.Base, [pair.Key], InLora.Field)
            .First().Module == context.Base.TokenEmbedding && pair.Value.SequenceEqual(indices));

    /// <summary>Attaches rows of one table. A head tied to the token embedding shares the rows.</summary>
    /// <param name="context">The model.</param>
    /// <param name="adapter">The adapter that gets the rows.</param>
    /// <param name="path">Path of the table's module.</param>
    /// <param name="layer">An embedding, or a head.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="names">The method's names for them.</param>
    /// <param name="copy">Whether they start as copies of the base's rows; otherwise they are standard normal.</param>
    public static void Attach(AttachContext context, Adapter adapter, string path, Layer layer, IReadOnlyList<int> tokens, TokenNames names,
        bool copy = true)
    {
        var weight = layer.OwnParameter("weight")!;
        Check(tokens, weight.Shape[0], names.Field);
        RefuseIfTaken(adapter, path, layer, names.Field);
        var rows = context.NewParameter([tokens.Count, weight.Shape[1]]);
        if (copy)
        {
            using var scope = new TensorScope();
            context.Backend.Gather(context.Backend.From([.. tokens], [tokens.Count]), weight.Value, rows.Value);
        }
        else
        {
            context.Backend.FillNormal(rows.Value, 0, 1, context.Seed, (ulong)adapter.Layers.Count);
        }
        adapter.Layers.Add((path, new TrainableTokenRows(layer, tokens, rows, names, owner: true)));
        if (context.Base.VocabularyHead is { } head && head != layer && head.Weight == weight)
        {
            string headPath = context.Base.NamedModules().First(candidate => candidate.Module == head).Path;
            RefuseIfTaken(adapter, headPath, head, names.Field);
            adapter.Layers.Add((headPath, new TrainableTokenRows(head, tokens, rows, names, owner: false)));
        }
    }

    private static void Check(IReadOnlyList<int> tokens, int vocabulary, string field)
    {
        foreach (int token in tokens)
        {
            if (token < 0 || token >= vocabulary)
            {
                throw new BadInputException($"{field}: token {token} is not in the vocabulary of {vocabulary}; tokens count from 0");
            }
        }
        if (tokens.Count == 0 || tokens.Distinct().Count() != tokens.Count)
        {
            throw new BadInputException($"{field}: the list must name at least one token, and each only once");
        }
    }

    private static void RefuseIfTaken(Adapter adapter, string path, Module module, string field)
    {
        if (adapter.Layers.Exists(layer => layer.Path == path) || adapter.Swaps.Exists(swap => swap.Replaces(module, "weight")))
        {
            throw new BadInputException(
                $"{field}: \"{path}\" is changed by this adapter in another way already; tokens train by themselves only where nothing " +
                "else does");
        }
    }
}

/// <summary>A method's names for trainable rows.</summary>
/// <param name="Field">The configuration field that lists the tokens.</param>
/// <param name="Suffix">Follows the path in the file.</param>
/// <param name="SavesTied">Whether a head that shares the embedding's table saves the rows once more.</param>
internal sealed record TokenNames(string Field, string Suffix, bool SavesTied);
