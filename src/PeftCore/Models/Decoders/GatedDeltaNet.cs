using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Sizes of a gated delta layer.</summary>
/// <param name="KeyHeads">Heads of queries and keys.</param>
/// <param name="ValueHeads">Heads of values, a multiple.</param>
/// <param name="KeyDim">Columns of a key.</param>
/// <param name="ValueDim">Columns of a value.</param>
/// <param name="Taps">Length of the convolution.</param>
internal sealed record DeltaNetSpec(int KeyHeads, int ValueHeads, int KeyDim, int ValueDim, int Taps)
{
    /// <summary>Columns of all keys.</summary>
    public int Keys => KeyHeads * KeyDim;

    /// <summary>Columns of all values.</summary>
    public int Values => ValueHeads * ValueDim;

    /// <summary>Reads the sizes.</summary>
    public static DeltaNetSpec Read(ConfigReader config)
    {
        const int Most = 1 << 12; // The product of two sizes is far below the number of possible columns.
        var spec = new DeltaNetSpec(config.Int("linear_num_key_heads", 16, min: 1, max: Most),
            config.Int("linear_num_value_heads", 32, min: 1, max: Most), config.Int("linear_key_head_dim", 128, min: 1, max: Most),
            config.Int("linear_value_head_dim", 128, min: 1, max: Most), config.Int("linear_conv_kernel_dim", 4, min: 1, max: Most));
        return spec.ValueHeads % spec.KeyHeads == 0 ? spec : throw config.Error("linear_num_value_heads",
            $"is {spec.ValueHeads}, which linear_num_key_heads = {spec.KeyHeads} does not divide");
    }
}

/// <summary>A gated delta layer (Yang, Kautz and Hatamizadeh 2024, "Gated Delta Networks"): q, k and v pass a short causal convolution and
/// the model's activation; q and k are normalised; a state reads and corrects itself token by token; its output passes a gated RMS
/// norm.</summary>
internal sealed class GatedDeltaNet : TokenMixer
{
    private const float KeyEpsilon = 1e-6f;

    private readonly DeltaNetSpec _s;
    private readonly int _index;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly Linear _qkv;
    private readonly Linear _z;
    private readonly Linear _b;
    private readonly Linear _a;
    private readonly DepthwiseWeight _convolution;
    private readonly RmsNorm _norm;
    private readonly Linear _output;

    /// <summary>Declares the layer of block <paramref name="index"/>.</summary>
    public GatedDeltaNet(DecoderSpec spec, DeltaNetSpec sizes, int index)
    {
        (_s, _index, _activation) = (sizes, index, Activations.Apply(spec.Activation));
        Add("dt_bias", new Parameter([sizes.ValueHeads]));
        Add("A_log", new Parameter([sizes.ValueHeads]));
        _convolution = Add("conv1d", new DepthwiseWeight(2 * sizes.Keys + sizes.Values, sizes.Taps));
        _norm = Add("norm", new RmsNorm(sizes.ValueDim, spec.Epsilon));
        _output = Add("out_proj", new Linear(sizes.Values, spec.HiddenSize));
        _qkv = Add("in_proj_qkv", new Linear(spec.HiddenSize, 2 * sizes.Keys + sizes.Values));
        _z = Add("in_proj_z", new Linear(spec.HiddenSize, sizes.Values));
        _b = Add("in_proj_b", new Linear(spec.HiddenSize, sizes.ValueHeads));
        _a = Add("in_proj_a", new Linear(spec.HiddenSize, sizes.ValueHeads));
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x, ModelInputs inputs) // (B, T, C)
    {
        if (inputs.Prefix is not null)
        {
            throw new BadInputException("prefix tuning puts keys and values before those of every block, but blocks of linear attention " +
                "have none; use prompt tuning or a method that changes layers");
        }
        using var scope = new TensorScope(Name);
        x = inputs.TokenMask() is { } mask ? x.MultiplyColumn(mask) : x; // Padding before the tokens must not reach the state.
        var parts = Linear.ForwardFused(x, _qkv, _z, _b, _a);
        var qkv = _activation(Convolve(parts[0], inputs)).Cast(DType.F32); // (B, T, 2·keys + values)
        var beta = parts[2].Cast(DType.F32).Activate<Sigmoid>(); // (B, T, Hv)
        // g = −exp(A)·softplus(a + dt): the logarithm of the decay.
        var g = parts[3].Cast(DType.F32).AddRow(OwnParameter("dt_bias")!.Value).Activate<Softplus>()
            .MultiplyRow(OwnParameter("A_log")!.Value.Cast(DType.F32).Activate<Exp>() * -1f);
        var operands = new DeltaTensors(Normalize(qkv.Columns(0, _s.Keys), 1f / _s.KeyDim),
            Normalize(qkv.Columns(_s.Keys, _s.Keys), 1 / MathF.Sqrt(_s.KeyDim)), qkv.Columns(2 * _s.Keys, _s.Values), g, beta,
            inputs.Positions);
        var o = operands.GatedDelta(_s.KeyHeads, _s.ValueHeads,
            inputs.Cache?.Recurrent.State(x.Backend, _index, _s, x.Shape[0])); // (B, T, Hv·Dv)
        Shape perHead = [(int)(o.Count / _s.ValueDim), _s.ValueDim];
        var normed = _norm.Forward(o.Reshape(perHead));
        var gated = parts[1].Cast(DType.F32).Reshape(perHead).Gate<Silu>(normed);
        return scope.Return(_output.Forward(gated.Reshape(o.Shape).AsActivation()));
    }

    /// <summary>The causal convolution; in generation over the last tokens before these as well.</summary>
    private Tensor Convolve(Tensor qkv, ModelInputs inputs)
    {
        int channels = qkv.Shape.Columns;
        var taps = _convolution.Weight.Value.Cast(DType.F32).Reshape([channels, _s.Taps]).Transpose(); // (K, channels)
        if (inputs.Cache is not { } cache || _s.Taps == 1)
        {
            return qkv.CausalConvolution(taps, inputs.Positions);
        }
        int before = _s.Taps - 1;
        var (joined, length) = (cache.Recurrent.Join(_index, qkv, before), qkv.Shape[1]); // (B, K − 1 + T, channels)
        var y = joined.CausalConvolution(taps, inputs.PositionsAfter(before));
        var result = qkv.NewLike(qkv.Shape);
        for (int b = 0; b < qkv.Shape[0]; b++)
        {
            using var from = y.Unscoped([length, channels], ((long)b * (before + length) + before) * channels);
            using var to = result.Unscoped([length, channels], (long)b * length * channels);
            result.Backend.Copy(from, to);
        }
        return result;
    }

    /// <summary>x/√(Σx² + ε) of each head times √d·<paramref name="scale"/>: an RMS norm with a constant weight.</summary>
    private Tensor Normalize(Tensor x, float scale)
    {
        var weight = x.NewLike([_s.KeyDim]);
        weight.Backend.Fill(weight, scale);
        return x.Reshape([(int)(x.Count / _s.KeyDim), _s.KeyDim]).RmsNorm(weight, KeyEpsilon / _s.KeyDim).Reshape(x.Shape);
    }

    /// <summary>The weight of a depthwise convolution, (channels, 1, taps), as torch's Conv1d stores it.</summary>
    private sealed class DepthwiseWeight : Module
    {
        public DepthwiseWeight(int channels, int taps) => Add("weight", new Parameter([channels, 1, taps]));

        public Parameter Weight => OwnParameter("weight")!;
    }
}
