using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Oft;

/// <summary>The input that Hugging Face PEFT 0.21 convolves in an OFT adapter of a convolution, to compare with its numbers. It rotates the
/// patches of x with stride 1 and without padding, reads each channel's rotated patches, which lie (position, kernel), as if they lay
/// (kernel, position), and adds these up to a picture. With R = I the picture is not x, and no weight computes it: its own merge gives
/// what <see cref="OftAdapter"/> computes.</summary>
internal static class OftReference
{
    /// <summary>The picture to convolve, and the convolution that remains.</summary>
    /// <param name="x">(B, H, W, C)</param>
    /// <param name="spec">The layer's convolution.</param>
    /// <param name="rotate">r·R for rows r.</param>
    public static (Tensor Picture, ConvolutionSpec Spec) Rotate(Tensor x, ConvolutionSpec spec, Func<Tensor, Tensor> rotate)
    {
        var picture = spec.Upsampling == 1 ? x : x.Unfold(ConvolutionSpec.Over2(1) with { Upsampling = spec.Upsampling });
        var plain = new ConvolutionSpec(spec.KernelHeight, spec.KernelWidth);
        var rotated = rotate(picture.Unfold(plain)); // (B, H', W', C·k)
        int batch = rotated.Shape[0], channels = picture.Shape.Columns, taps = spec.KernelHeight * spec.KernelWidth,
            positions = rotated.Shape[1] * rotated.Shape[2];
        var byChannel = rotated.Reshape([batch, positions, channels * taps]).Transpose() // (B, C·k, positions)
            .Reshape([batch * channels, taps, positions]).Transpose(); // (B·C, positions, k)
        var misread = byChannel.Reshape([batch, channels * taps, positions]).Transpose(); // (B, positions, C·k)
        return (misread.Reshape(rotated.Shape).Fold(plain, picture.Shape), spec with { Upsampling = 1 });
    }
}
