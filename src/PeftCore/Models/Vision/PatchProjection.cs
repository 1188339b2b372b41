using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Embeds patches: a convolution whose stride is its size, computed as a linear layer on rows of patches.</summary>
internal sealed class PatchProjection : Layer
{
    private readonly int _patch;

    /// <summary>Declares the layer.</summary>
    /// <param name="picture">Channels and size of a patch.</param>
    /// <param name="columns">Size of an embedding, C.</param>
    /// <param name="bias">Whether there is a bias.</param>
    public PatchProjection(PictureSpec picture, int columns, bool bias = true)
    {
        _patch = picture.Patch;
        Add("weight", new Parameter([columns, picture.Channels, _patch, _patch]));
        if (bias)
        {
            Add("bias", new Parameter([columns]));
        }
    }

    /// <summary>F32 (B, channels, H, W) to (B, patches, C).</summary>
    protected internal override Tensor Compute(Tensor x)
    {
        using var scope = new TensorScope();
        var weight = OwnParameter("weight")!.Value;
        var rows = x.PicturePatches(_patch).Cast(x.Backend.ActivationDType); // (B, N, channels·p·p)
        return scope.Return(rows.Linear(weight.Reshape([weight.Shape[0], rows.Shape.Columns]), OwnParameter("bias")?.Value));
    }
}
