using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A convolution over channels-last pictures (B, H, W, C) or sequences (B, L, C), with PyTorch's weight (out, C/groups, kernel
/// height, kernel width) or (out, C/groups, kernel).</summary>
internal sealed class Convolution : MatrixLayer
{
    /// <summary>Declares the layer.</summary>
    /// <param name="spec">Kernel, stride, padding, dilation, groups.</param>
    /// <param name="channels">Channels of x.</param>
    /// <param name="outputs">Channels of y.</param>
    /// <param name="bias">Whether the layer has a bias.</param>
    public Convolution(ConvolutionSpec spec, int channels, int outputs, bool bias = true)
        : base(channels / spec.Groups * spec.KernelHeight * spec.KernelWidth, transposed: false)
    {
        (Spec, Channels) = (spec, channels);
        Add("weight", new Parameter(KernelOf(outputs, channels / spec.Groups, spec.KernelHeight, spec.KernelWidth)));
        if (bias)
        {
            Add("bias", new Parameter([outputs]));
        }
    }

    /// <summary>Kernel, stride, padding, dilation, groups.</summary>
    public ConvolutionSpec Spec { get; }

    /// <inheritdoc/>
    internal override int Channels { get; }

    // Hugging Face PEFT gives A the kernel, stride and padding of the layer, but neither dilation nor groups.
    internal override string? AdapterProblem => Spec.Groups != 1 ? $"a convolution in {Spec.Groups} groups"
        : Spec.DilationHeight != 1 || Spec.DilationWidth != 1 ? "a dilated convolution" : null;

    internal override Shape ShapeOfMagnitude => Spec.Axes == 1 ? [1, Outputs, 1] : [1, Outputs, 1, 1];

    internal override Tensor Rows(Tensor x) => x.Unfold(Spec);

    internal override Tensor WithUpdates(Tensor x, Tensor? bias, params ReadOnlySpan<LowRankUpdate> updates) =>
        x.Convolve(Spec, Matrix, bias, updates);

    internal override Tensor Project(Tensor x, Tensor matrix) => x.Convolve(Spec, matrix);

    internal override Shape ShapeOfDown(int rank) => KernelOf(rank, Channels, Spec.KernelHeight, Spec.KernelWidth);

    internal override Shape ShapeOfUp(int rank) => KernelOf(Outputs, rank, 1, 1);

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => x.Convolve(Spec, Matrix, Bias?.Value);

    private Shape KernelOf(int outputs, int channels, int height, int width) =>
        Spec.Axes == 1 ? [outputs, channels, width] : [outputs, channels, height, width];
}
