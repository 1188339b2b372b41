using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The first hidden states of a picture (Dosovitskiy et al. 2021): a learned class token in most models, then the embeddings
/// of the patches, and learned positions added to all of them.</summary>
/// <param name="projection">Embeds the patches: <see cref="Projection"/>.</param>
/// <param name="classToken">Returns C numbers; null for no class token.</param>
/// <param name="table">Returns the positions, C numbers of each own patch, before them those of the class token.</param>
/// <param name="positions">Interpolates the positions.</param>
internal sealed class PatchTokens(Convolution projection, Func<Tensor>? classToken, Func<Tensor> table, PatchPositions positions)
{
    /// <summary>Declares the layer that embeds patches: a convolution whose stride is its size.</summary>
    /// <param name="picture">Channels and size of a patch.</param>
    /// <param name="columns">Size of an embedding, C.</param>
    /// <param name="bias">Whether there is a bias.</param>
    public static Convolution Projection(PictureSpec picture, int columns, bool bias = true)
    {
        int patch = picture.Patch;
        var spec = new ConvolutionSpec(patch, patch) { StrideHeight = patch, StrideWidth = patch };
        return new Convolution(spec, picture.Channels, columns, bias);
    }

    /// <summary>The first hidden states of the pictures of these inputs.</summary>
    /// <exception cref="ArgumentException">There are no pictures.</exception>
    public Tensor Forward(ModelInputs inputs)
    {
        var pixels = inputs.Dense.Pixels ?? throw new ArgumentException("the inputs have no pictures", nameof(inputs));
        int patch = projection.Spec.KernelHeight;
        return Forward(pixels, new PictureGrid(pixels.Shape[2] / patch, pixels.Shape[3] / patch));
    }

    /// <summary>F32 (B, channels, H, W) to (B, patches, C), or (B, 1 + patches, C) with a class token.</summary>
    /// <param name="pixels">The pictures.</param>
    /// <param name="grid">Their patches.</param>
    public Tensor Forward(Tensor pixels, PictureGrid grid)
    {
        using var scope = new TensorScope("embeddings");
        var x = Embed(pixels);
        int batch = pixels.Shape[0], columns = x.Shape.Columns, first = classToken is null ? 0 : 1;
        x = x.Reshape([batch, grid.Count * columns]);
        if (classToken is not null)
        {
            var zeros = pixels.Backend.NewTensor([batch], DType.I32);
            pixels.Backend.Zero(zeros);
            x = classToken().Reshape([1, columns]).Rows(zeros).ConcatColumns(x); // (B, (1 + N)·C)
        }
        x = x.AddRow(PositionsOf(grid, columns, first));
        return scope.Return(x.Reshape([batch, first + grid.Count, columns]));
    }

    /// <summary>The embeddings of the patches, (B, patches, C). Without an adapter the convolution is a product with rows of patches that
    /// are copied once.</summary>
    private Tensor Embed(Tensor pixels)
    {
        using var scope = new TensorScope(projection.Name);
        if (projection.Hook is null)
        {
            var patches = pixels.PicturePatches(projection.Spec.KernelHeight).Cast(pixels.Backend.ActivationDType);
            return scope.Return(projection.OfRows(patches));
        }
        int rows = pixels.Shape[0], height = pixels.Shape[2], width = pixels.Shape[3];
        var lastChannels = pixels.PicturePatches(1).Cast(pixels.Backend.ActivationDType).Reshape([rows, height, width, pixels.Shape[1]]);
        var y = projection.Forward(lastChannels); // (B, down, across, C)
        return scope.Return(y.Reshape([rows, y.Shape[1] * y.Shape[2], y.Shape[3]]));
    }

    /// <param name="grid">The patches.</param>
    /// <param name="columns">C.</param>
    /// <param name="first">Positions before those of the patches.</param>
    private Tensor PositionsOf(PictureGrid grid, int columns, int first)
    {
        var all = table();
        int own = (int)(all.Count / columns) - first;
        if (positions.IsOwn(grid))
        {
            return all.Reshape([(first + own) * columns]);
        }
        var rows = all.Reshape([first + own, columns]);
        var ofPatches = positions.Of(rows.Slice(first, own), grid);
        return (first == 0 ? ofPatches : Tensor.Concat(rows.Slice(0, first).Cast(DType.F32), ofPatches))
            .Reshape([(first + grid.Count) * columns]);
    }
}
