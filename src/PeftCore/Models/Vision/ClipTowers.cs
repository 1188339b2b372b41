using PeftCore.Autograd;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>CLIP's tower of texts: a decoder, in which each token attends to those before it.</summary>
internal sealed class ClipTextTower : Module
{
    private readonly Embedding _positions;

    /// <summary>Declares the tower.</summary>
    public ClipTextTower(ClipTextSpec spec)
    {
        TokenEmbedding = AddPath("embeddings.token_embedding", new Embedding(spec.VocabularySize, spec.Blocks.HiddenSize));
        _positions = AddPath("embeddings.position_embedding", new Embedding(spec.MaxLength, spec.Blocks.HiddenSize));
        Blocks = [.. Enumerable.Range(0, spec.Layers).Select(i => AddPath($"encoder.layers.{i}", new PreNormBlock(spec.Blocks, i, i)))];
        Norm = Add("final_layer_norm", new LayerNorm(spec.Blocks.HiddenSize, spec.Blocks.Epsilon));
    }

    /// <summary>The token embedding.</summary>
    public Embedding TokenEmbedding { get; }

    /// <summary>The blocks.</summary>
    public PreNormBlock[] Blocks { get; }

    /// <summary>The norm after the last block.</summary>
    public LayerNorm Norm { get; }

    /// <summary>The hidden states of embedded tokens after the norm: (B, T, C) to (B, T, C).</summary>
    public Tensor Forward(Tensor x, ModelInputs inputs, bool recomputes)
    {
        using var scope = new TensorScope("text_model");
        x += _positions.Forward(inputs.Positions);
        return scope.Return(Norm.Forward(ClipTower.Run(Blocks, x, inputs, recomputes)));
    }
}

/// <summary>CLIP's tower of pictures: a vision transformer with a norm before its blocks.</summary>
internal sealed class ClipVisionTower : Module
{
    private const string LastNorm = "post_layernorm";

    private readonly PatchTokens _tokens;
    private readonly LayerNorm _before;

    /// <summary>Declares the tower.</summary>
    /// <param name="spec">Sizes.</param>
    /// <param name="firstSite">Number of its first block in the model.</param>
    /// <param name="pools">Whether the class token is normalized for the model to read. Otherwise the weights of that norm are kept for
    /// files, which have them.</param>
    public ClipVisionTower(ClipVisionSpec spec, int firstSite, bool pools = true)
    {
        int c = spec.Blocks.HiddenSize;
        var embeddings = AddPath("embeddings.class_embedding", new Parameter([c]));
        var projection = AddPath("embeddings.patch_embedding", PatchTokens.Projection(spec.Picture, c, bias: false));
        var table = AddPath("embeddings.position_embedding", new Embedding(1 + spec.Picture.Grid.Count, c));
        Positions = new PatchPositions(spec.Picture.Grid);
        _tokens = new PatchTokens(projection, () => embeddings.OwnParameter("class_embedding")!.Value, () => table.Weight.Value, Positions);
        _before = Add("pre_layrnorm", new LayerNorm(c, spec.Blocks.Epsilon));
        Blocks = [.. Enumerable.Range(0, spec.Layers)
            .Select(i => AddPath($"encoder.layers.{i}", new PreNormBlock(spec.Blocks, i, firstSite + i)))];
        if (pools)
        {
            Norm = Add(LastNorm, new LayerNorm(c, spec.Blocks.Epsilon));
            return;
        }
        foreach (string name in (string[])["weight", "bias"])
        {
            AddPath($"{LastNorm}.{name}", new Parameter([c]) { IsBuffer = true });
        }
    }

    /// <summary>The blocks.</summary>
    public PreNormBlock[] Blocks { get; }

    /// <summary>The norm of the class token after the last block; null if no one reads it.</summary>
    public LayerNorm? Norm { get; }

    /// <summary>The positions of patches.</summary>
    public PatchPositions Positions { get; }

    /// <summary>The class token after the norm: (B, C).</summary>
    public Tensor Forward(ModelInputs inputs, bool recomputes)
    {
        using var scope = new TensorScope();
        return scope.Return(Norm!.Forward(Hidden(inputs, recomputes).FirstTokens()));
    }

    /// <summary>The hidden states of the class token and the patches after the last block: (B, 1 + N, C).</summary>
    public Tensor Hidden(ModelInputs inputs, bool recomputes)
    {
        using var scope = new TensorScope("vision_model");
        var x = _tokens.Forward(inputs);
        return scope.Return(ClipTower.Run(Blocks, _before.Forward(x), inputs, recomputes));
    }

    private protected override void OnDispose() => Positions.Dispose();
}

/// <summary>What both towers do.</summary>
internal static class ClipTower
{
    /// <summary>Runs blocks one after the other.</summary>
    public static Tensor Run(PreNormBlock[] blocks, Tensor x, ModelInputs inputs, bool recomputes)
    {
        foreach (var block in blocks)
        {
            x = recomputes ? Recompute.Run(h => block.Forward(h, inputs), x) : block.Forward(x, inputs);
        }
        return x;
    }
}
