using PeftCore.Autograd;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Buckets of distances in LayoutLMv3.</summary>
/// <param name="Tokens">Of distances between tokens in the text.</param>
/// <param name="TokenBuckets">How many.</param>
/// <param name="Boxes">Of distances between boxes on the page; null for none.</param>
/// <param name="BoxBuckets">How many.</param>
internal sealed record LayoutBiasSpec(RelativeBuckets Tokens, int TokenBuckets, RelativeBuckets? Boxes, int BoxBuckets)
{
    private const int MostBuckets = 1 << 16;

    /// <summary>Reads the fields of a configuration; null without biases.</summary>
    /// <exception cref="BadInputException">A field is wrong, or boxes have biases and tokens have none.</exception>
    public static LayoutBiasSpec? Read(ConfigReader config)
    {
        bool tokens = config.Bool("has_relative_attention_bias", true), boxes = config.Bool("has_spatial_attention_bias", true);
        if (!tokens && boxes)
        {
            throw config.Error("has_spatial_attention_bias", "is true, but has_relative_attention_bias is false: transformers " +
                "ignores the biases of boxes then; set it to false as well");
        }
        var (tokenBuckets, tokenDistance) = (Buckets("rel_pos_bins", 32), Distance("max_rel_pos", 128));
        var (boxBuckets, boxDistance) = (Buckets("rel_2d_pos_bins", 64), Distance("max_rel_2d_pos", 256));
        return !tokens ? null : new LayoutBiasSpec(new RelativeBuckets(tokenBuckets, tokenDistance, bidirectional: true), tokenBuckets,
            boxes ? new RelativeBuckets(boxBuckets, boxDistance, bidirectional: true) : null, boxBuckets);

        int Buckets(string name, int fallback) => config.Int(name, fallback, min: 4, max: MostBuckets);

        int Distance(string name, int fallback) => config.Int(name, fallback, min: 1, max: MostBuckets);
    }
}

/// <summary>Where the hidden states of a batch of documents are: patches first, then tokens.</summary>
/// <param name="Boxes">(batch, tokens, 4).</param>
/// <param name="Batch">Documents.</param>
/// <param name="Tokens">Tokens of a document.</param>
/// <param name="Patches">The class token of the picture and its patches; 0 without a picture.</param>
/// <param name="Grid">The patches.</param>
internal readonly record struct LayoutPlaces(int[] Boxes, int Batch, int Tokens, int Patches, PictureGrid Grid)
{
    private const int Page = 1000;

    /// <summary>Hidden states of a document.</summary>
    public int Length => Patches + Tokens;

    /// <summary>The position of each hidden state: patches and tokens both count from 0.</summary>
    public int Position(int place) => place < Patches ? place : place - Patches;

    /// <summary>A side of the box of each hidden state, (batch, length): 0 for left, 3 for bottom. The boxes of patches divide the page
    /// evenly; that of the picture's class token is the page without its border.</summary>
    public int[] Sides(int side)
    {
        int[] sides = new int[Batch * Length];
        for (int i = 0; i < sides.Length; i++)
        {
            int place = i % Length, patch = place - 1;
            sides[i] = place >= Patches ? Boxes[4 * (i / Length * Tokens + place - Patches) + side]
                : place == 0 ? side < 2 ? 1 : Page - 1
                : side == 0 ? Page * (patch % Grid.Across) / Grid.Across
                : Page * (patch / Grid.Across + 1) / Grid.Down;
        }
        return sides;
    }
}

/// <summary>LayoutLMv3's biases of attention scores: a number for each head and bucket of the distance between two tokens, between the
/// left sides of their boxes, and between the bottoms. As in transformers, they have no gradient: full training leaves them as they
/// are.</summary>
internal sealed class LayoutBias
{
    private readonly LayoutBiasSpec _spec;
    private readonly Func<Tensor> _tokens;
    private readonly Func<Tensor>? _lefts;
    private readonly Func<Tensor>? _bottoms;

    /// <summary>Declares the tables.</summary>
    /// <param name="spec">The buckets.</param>
    /// <param name="heads">Attention heads.</param>
    /// <param name="add">Adds a table to the model under a name and returns the module that has it.</param>
    public LayoutBias(LayoutBiasSpec spec, int heads, Func<string, Parameter, Module> add)
    {
        _spec = spec;
        _tokens = Table("rel_pos_bias", spec.TokenBuckets);
        if (spec.Boxes is not null)
        {
            _lefts = Table("rel_pos_x_bias", spec.BoxBuckets);
            _bottoms = Table("rel_pos_y_bias", spec.BoxBuckets);
        }

        Func<Tensor> Table(string name, int buckets)
        {
            var owner = add(name, new Parameter([heads, buckets]) { IsBuffer = true });
            return () => owner.OwnParameter("weight")!.Value;
        }
    }

    /// <summary>Uploads the buckets of all pairs of a batch.</summary>
    public void Upload(ModelInputs inputs, LayoutPlaces places)
    {
        int n = places.Length;
        inputs.Computed("buckets of tokens", [n, n], () => [.. Enumerable.Range(0, n * n)
            .Select(pair => _spec.Tokens.Of(places.Position(pair % n) - places.Position(pair / n)))]);
        if (_spec.Boxes is { } boxes)
        {
            inputs.Computed("buckets of lefts", [places.Batch, n, n], () => Buckets(boxes, places.Sides(0), n));
            inputs.Computed("buckets of bottoms", [places.Batch, n, n], () => Buckets(boxes, places.Sides(3), n));
        }
    }

    /// <summary>F32 (batch or 1, heads, length, length).</summary>
    /// <param name="inputs">The inputs that <see cref="Upload"/> was given.</param>
    /// <param name="scale">Factor of the biases.</param>
    public Tensor Of(ModelInputs inputs, float scale) => Tape.NoGrad(() =>
    {
        using var scope = new TensorScope("bias");
        var sum = _tokens().Cast(DType.F32).Transpose().RelativeBias(Uploaded("buckets of tokens")); // (1, H, L, L)
        if (_lefts is null)
        {
            return scope.Return(sum * scale);
        }
        var (x, y) = (_lefts().Cast(DType.F32).Transpose(), _bottoms!().Cast(DType.F32).Transpose());
        var (lefts, bottoms) = (Uploaded("buckets of lefts"), Uploaded("buckets of bottoms"));
        int n = inputs.Places;
        Tensor[] rows = [.. Enumerable.Range(0, inputs.Batch).Select(row =>
            (sum + x.RelativeBias(lefts.Slice(row, 1).Reshape([n, n])) + y.RelativeBias(bottoms.Slice(row, 1).Reshape([n, n]))) * scale)];
        return scope.Return(Tensor.Concat(rows));

        Tensor Uploaded(string name) =>
            inputs.Computed(name, [], () => throw new InvalidOperationException("the buckets are not uploaded"));
    });

    private static int[] Buckets(RelativeBuckets buckets, int[] sides, int n)
    {
        int[] all = new int[sides.Length * n];
        for (int i = 0; i < all.Length; i++)
        {
            int query = i / n;
            all[i] = buckets.Of(sides[query / n * n + i % n] - sides[query]);
        }
        return all;
    }
}
