using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A convolution over sequences with weight normalisation (Salimans and Kingma 2016): w[:, :, k] = g[k]·v[:, :, k]/‖v[:, :, k]‖,
/// one norm for each position of the kernel, as wav2vec 2.0's positional convolution has it (PyTorch's weight_norm with dim = 2). The
/// parameters have the names of PyTorch's parametrizations; older files call g and v <see cref="OldNameOf"/>.</summary>
internal sealed class WeightNormConvolution : Layer
{
    private const string Gain = "parametrizations.weight.original0";
    private const string Direction = "parametrizations.weight.original1";

    private readonly ConvolutionSpec _spec;
    private readonly Parameter _g;
    private readonly Parameter _v;

    /// <summary>Declares the layer, with a bias.</summary>
    public WeightNormConvolution(ConvolutionSpec spec, int channels, int outputs)
    {
        _spec = spec;
        _g = new Parameter([1, 1, spec.KernelWidth]);
        _v = new Parameter([outputs, channels / spec.Groups, spec.KernelWidth]);
        Add("bias", new Parameter([outputs]));
        AddPath(Gain, _g);
        AddPath(Direction, _v);
    }

    /// <summary>The name of a parameter in files that were written before PyTorch's parametrizations: weight_g, weight_v; null for other
    /// parameters.</summary>
    public static string? OldNameOf(string path) =>
        path.EndsWith(Gain, StringComparison.Ordinal) ? path[..^Gain.Length] + "weight_g"
        : path.EndsWith(Direction, StringComparison.Ordinal) ? path[..^Direction.Length] + "weight_v" : null;

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x)
    {
        var v = InF32(_v.Value).Reshape([_v.Shape[0] * _v.Shape[1], _v.Shape[2]]); // (out·channels, kernel)
        var norms = (v * v).Sum(0).Activate<InverseSqrt>(); // 1/‖v‖ (kernel)
        var gain = InF32(_g.Value).Reshape([_v.Shape[2]]) * norms;
        var weight = v.MultiplyRow(gain).Reshape([_v.Shape[0], _v.Shape[1] * _v.Shape[2]]);
        return x.Convolve(_spec, weight, OwnParameter("bias")!.Value);
    }

    private static Tensor InF32(Tensor value) => value.DType == DType.F32 ? value : value.Cast(DType.F32);
}
