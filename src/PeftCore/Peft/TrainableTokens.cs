using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Attaches rows of embeddings that train by themselves.</summary>
internal static class TrainableTokens
{
    private const string Field = "trainable_token_indices";

    /// <param name="context">Where to attach.</param>
    /// <param name="adapter">What to attach to.</param>
    /// <param name="tokens">Tokens by the name of their embedding; the empty name is the model's input embedding.</param>
    public static void Attach(AttachContext context, Adapter adapter, IReadOnlyDictionary<string, IReadOnlyList<int>>? tokens)
    {
        foreach (var (name, indices) in tokens ?? new Dictionary<string, IReadOnlyList<int>>())
        {
            var (path, module) = name.Length == 0
                ? context.Base.NamedModules().First(candidate => candidate.Module == context.Base.TokenEmbedding)
                : TargetMatching.ByName(context.Base, [name], Field).First();
            if (module is not Embedding embedding)
            {
                throw new BadInputException($"{Field}: \"{path}\" is not an embedding; name the token embedding");
            }
            Attach(context, adapter, path, embedding, indices);
        }
    }

    private static void Attach(AttachContext context, Adapter adapter, string path, Embedding embedding, IReadOnlyList<int> tokens)
    {
        Check(tokens, embedding.Weight.Shape[0]);
        RefuseIfTaken(adapter, path, embedding);
        var rows = context.NewParameter([tokens.Count, embedding.Weight.Shape[1]]);
        using (new TensorScope())
        {
            context.Backend.Gather(context.Backend.From([.. tokens], [tokens.Count]), embedding.Weight.Value, rows.Value);
        }
        adapter.Layers.Add((path, new TrainableTokenRows(embedding, tokens, rows, owner: true)));
        var head = context.Base.Head;
        if (head.Weight == embedding.Weight)
        {
            string headPath = context.Base.NamedModules().First(candidate => candidate.Module == head).Path;
            RefuseIfTaken(adapter, headPath, head);
            adapter.Layers.Add((headPath, new TrainableTokenRows(head, tokens, rows, owner: false)));
        }
    }

    private static void Check(IReadOnlyList<int> tokens, int vocabulary)
    {
        foreach (int token in tokens)
        {
            if (token < 0 || token >= vocabulary)
            {
                throw new BadInputException($"{Field}: token {token} is not in the vocabulary of {vocabulary}; tokens count from 0");
            }
        }
        if (tokens.Count == 0 || tokens.Distinct().Count() != tokens.Count)
        {
            throw new BadInputException($"{Field}: the list must name at least one token, and each only once");
        }
    }

    private static void RefuseIfTaken(Adapter adapter, string path, Module module)
    {
        if (adapter.Layers.Exists(layer => layer.Path == path) || adapter.Swaps.Exists(swap => swap.Replaces(module, "weight")))
        {
            throw new BadInputException($"{Field}: \"{path}\" is changed by this adapter in another way already; tokens train by themselves only where nothing else does");
        }
    }
}
