using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A convolution over sequences with weight normalisation (Salimans and Kingma 2016): w[:, :, k] = g[k]·v[:, :, k]/‖v[:, :, k]‖,
/// one norm for each position of the kernel, as wav2vec 2.0's positional convolution has it (PyTorch's weight_norm with dim = 2). The
/// parameters have the names of PyTorch's parametrizations; older files call g and v <see cref="OldNameOf"/>.</summary>
internal sealed class WeightNormConvolution : Layer
{
    private const string Group = "parametrizations.weight.", GainName = "original0", DirectionName = "original1";
    private const string Gain = Group + GainName, Direction = Group + DirectionName;

    private readonly ConvolutionSpec _spec;
    private readonly Module _group;

    /// <summary>Declares the layer, with a bias.</summary>
    public WeightNormConvolution(ConvolutionSpec spec, int channels, int outputs)
    {
        _spec = spec;
        Add("bias", new Parameter([outputs]));
        _group = AddPath(Gain, new Parameter([1, 1, spec.KernelWidth]));
        AddPath(Direction, new Parameter([outputs, channels / spec.Groups, spec.KernelWidth]));
    }

    /// <summary>Whether a parameter is the gain g.</summary>
    public static bool IsGain(string path) => path.EndsWith(Gain, StringComparison.Ordinal);

    /// <summary>The name of a parameter in files that were written before PyTorch's parametrizations: weight_g, weight_v; null for other
    /// parameters.</summary>
    public static string? OldNameOf(string path) =>
        path.EndsWith(Gain, StringComparison.Ordinal) ? path[..^Gain.Length] + "weight_g"
        : path.EndsWith(Direction, StringComparison.Ordinal) ? path[..^Direction.Length] + "weight_v" : null;

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x)
    {
        // An adapter may have exchanged them.
        Tensor g = _group.OwnParameter(GainName)!.Value, direction = _group.OwnParameter(DirectionName)!.Value;
        var shape = direction.Shape;
        var v = InF32(direction).Reshape([shape[0] * shape[1], shape[2]]); // (out·channels, kernel)
        var norms = (v * v).Sum(0).Activate<InverseSqrt>(); // 1/‖v‖ (kernel)
        var gain = InF32(g).Reshape([shape[2]]) * norms;
        var weight = v.MultiplyRow(gain).Reshape([shape[0], shape[1] * shape[2]]);
        return x.Convolve(_spec, weight, OwnParameter("bias")!.Value);
    }

    private static Tensor InF32(Tensor value) => value.DType == DType.F32 ? value : value.Cast(DType.F32);
}
