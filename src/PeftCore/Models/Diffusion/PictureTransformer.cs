using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Transformer blocks over the positions of a picture (Rombach et al. 2022, latent diffusion): group norm, a projection, blocks of
/// self-attention, cross-attention to the text and a gated network, a projection, and the residual.</summary>
internal sealed class PictureTransformer : Module
{
    // diffusers' constants, which no configuration has.
    private const float GroupEpsilon = 1e-6f;

    private readonly GroupNorm _norm;
    private readonly MatrixLayer _in;
    private readonly MatrixLayer _out;
    private readonly PictureBlock[] _blocks;

    /// <summary>Declares the blocks.</summary>
    public PictureTransformer(UNetConfig config, UNetLevel level)
    {
        int c = level.Channels;
        _norm = Add("norm", new GroupNorm(config.Groups, c, GroupEpsilon));
        _in = Add("proj_in", Projection(config, c));
        _blocks = [.. Enumerable.Range(0, level.Depth).Select(i => AddPath($"transformer_blocks.{i}",
            new PictureBlock(c, config.CrossChannels, level.Heads)))];
        _out = Add("proj_out", Projection(config, c));
    }

    /// <summary>Runs the blocks.</summary>
    /// <param name="x">(B, H, W, C)</param>
    /// <param name="text">(B, T, C'): hidden states of the text.</param>
    /// <param name="inputs">The batch, for the ranges of the attention.</param>
    /// <returns>(B, H, W, C)</returns>
    public Tensor Forward(Tensor x, Tensor text, ModelInputs inputs)
    {
        using var scope = new TensorScope(Name);
        Shape picture = x.Shape, rows = [x.Shape[0], x.Shape[1] * x.Shape[2], x.Shape[3]];
        var h = _in.Forward(_norm.Forward(x)).Reshape(rows);
        foreach (var block in _blocks)
        {
            h = block.Forward(h, text, inputs);
        }
        return scope.Return(_out.Forward(h.Reshape(picture)) + x);
    }

    private static MatrixLayer Projection(UNetConfig config, int channels) => config.LinearProjection
        ? new Linear(channels, channels, bias: true)
        : new Convolution(ConvolutionSpec.Over2(1), channels, channels);
}

/// <summary>One transformer block: x += self(norm₁(x)), x += cross(norm₂(x), text), x += W₂·(a∘gelu(b)) with (a, b) =
/// W₁·norm₃(x).</summary>
internal sealed class PictureBlock : Module
{
    private const float Epsilon = 1e-5f;
    private const int Expansion = 4;

    private readonly LayerNorm _norm1;
    private readonly PictureAttention _self;
    private readonly LayerNorm _norm2;
    private readonly PictureAttention _cross;
    private readonly LayerNorm _norm3;
    private readonly Linear _up;
    private readonly Linear _down;

    /// <summary>Declares the block.</summary>
    /// <param name="channels">Size of a hidden state.</param>
    /// <param name="textChannels">Size of the text's hidden states.</param>
    /// <param name="heads">Heads.</param>
    public PictureBlock(int channels, int textChannels, int heads)
    {
        _norm1 = Add("norm1", new LayerNorm(channels, Epsilon));
        _self = Add("attn1", new PictureAttention(channels, channels, heads));
        _norm2 = Add("norm2", new LayerNorm(channels, Epsilon));
        _cross = Add("attn2", new PictureAttention(channels, textChannels, heads));
        _norm3 = Add("norm3", new LayerNorm(channels, Epsilon));
        _up = AddPath("ff.net.0.proj", new Linear(channels, 2 * Expansion * channels, bias: true));
        _down = AddPath("ff.net.2", new Linear(Expansion * channels, channels, bias: true));
    }

    /// <summary>Runs the block.</summary>
    public Tensor Forward(Tensor x, Tensor text, ModelInputs inputs) // (B, HW, C)
    {
        using var scope = new TensorScope(Name);
        x = _self.Self(_norm1.Forward(x), inputs) + x;
        x = _cross.Cross(_norm2.Forward(x), text, inputs) + x;
        var both = _up.Forward(_norm3.Forward(x));
        int inner = both.Shape.Columns / 2;
        return scope.Return(_down.Forward(both.Columns(inner, inner).Gate<Gelu>(both.Columns(0, inner))) + x);
    }
}

/// <summary>Attention of a picture's positions to each other, or to the tokens of a text. The queries, keys and values have no
/// bias.</summary>
internal sealed class PictureAttention : Module
{
    private readonly int _heads;
    private readonly Linear _q;
    private readonly Linear _k;
    private readonly Linear _v;
    private readonly Linear _out;

    /// <summary>Declares the layers.</summary>
    /// <param name="channels">Size of a hidden state of the picture.</param>
    /// <param name="keyChannels">Size of what is attended to.</param>
    /// <param name="heads">Heads.</param>
    public PictureAttention(int channels, int keyChannels, int heads)
    {
        _heads = heads;
        _q = Add("to_q", new Linear(channels, channels));
        _k = Add("to_k", new Linear(keyChannels, channels));
        _v = Add("to_v", new Linear(keyChannels, channels));
        _out = AddPath("to_out.0", new Linear(channels, channels, bias: true));
    }

    /// <summary>Attention to the picture itself.</summary>
    public Tensor Self(Tensor x, ModelInputs inputs)
    {
        using var scope = new TensorScope(Name);
        var qkv = Linear.ForwardFused(x, _q, _k, _v);
        return scope.Return(Attend(qkv[0], qkv[1], qkv[2], inputs));
    }

    /// <summary>Attention to a text.</summary>
    public Tensor Cross(Tensor x, Tensor text, ModelInputs inputs)
    {
        using var scope = new TensorScope(Name);
        var kv = Linear.ForwardFused(text, _k, _v);
        return scope.Return(Attend(_q.Forward(x), kv[0], kv[1], inputs));
    }

    private Tensor Attend(Tensor q, Tensor k, Tensor v, ModelInputs inputs)
    {
        int dim = q.Shape.Columns / _heads;
        var options = new AttentionOptions(1 / MathF.Sqrt(dim), inputs.WholeRanges(q.Shape[1], k.Shape[1]));
        return _out.Forward(HeadsOf(q).Attend(HeadsOf(k), HeadsOf(v), options));

        Heads HeadsOf(Tensor tensor) => new(tensor, _heads, dim);
    }
}
