using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Oft;

/// <summary>OFT (Qiu et al. 2023, 2025) on one linear layer or convolution: y = (r·R)·Wᵀ + b with the rows r of x, which are its patches in
/// a convolution, and R block-diagonal, in/b blocks of (b, b). Each block is orthogonal: the <see cref="Cayley"/> transform of a trained
/// skew-symmetric matrix Q, stored as its upper triangle. Rotations keep the angles between neurons.</summary>
internal sealed class OftAdapter : RotationAdapter
{
    /// <summary>Relative tolerance of the projection: a norm that exceeds the limit by less is rounding error.</summary>
    private const float Slack = 1e-6f;

    private readonly OftConfig _config;
    private readonly Parameter _triangles;
    private readonly int _side;
    private readonly BlockDropout _dropout;
    private readonly bool _likeReference;

    public OftAdapter(AttachContext context, OftConfig config, string path, MatrixLayer layer, ulong site) : base(layer)
    {
        if (layer is Convolution { Spec.Axes: 1 })
        {
            throw new BadInputException(
                $"target modules: \"{path}\" is a convolution over sequences, for which OFT has no form; leave it out");
        }
        if (layer is Convolution && context.Place is { } place && !context.LikeReference)
        {
            context.Warnings?.Add($"{place}: \"{path}\" is a convolution: here OFT rotates its patches, which is what Hugging Face PEFT " +
                "merges into the weight; before a merge Hugging Face PEFT 0.21 computes something else, so outputs differ from those");
        }
        _likeReference = context.LikeReference;
        _config = config;
        _dropout = new BlockDropout(layer, config.ModuleDropout, site);
        int wanted = config.BlockSize != 0 ? config.BlockSize : config.Rank, fitting = layer.Inputs % wanted == 0 ? wanted
            : Nearest(layer.Inputs, wanted);
        if (fitting != wanted)
        {
            context.Warnings?.Add(
                $"{context.Place}: {(config.BlockSize != 0 ? "oft_block_size" : "r")} is {wanted}, which does not divide the " +
                $"{layer.Inputs} inputs of \"{path}\"; {fitting} is taken, as Hugging Face PEFT does");
        }
        _side = config.BlockSize != 0 ? fitting : layer.Inputs / fitting;
        _triangles = context.NewParameter([config.BlockShare ? 1 : layer.Inputs / _side, _side * (_side - 1) / 2]);
        _ = config.InitWeights ? _triangles.Zero() : _triangles.Normal(0, 0.1f, context.Seed, site);
    }

    public override IEnumerable<AdapterParameter> Parameters => [new("", "oft_R.{0}.weight", "oft_R.weight", _triangles)];

    public override Tensor Forward(Tensor x)
    {
        if (Layer is not Convolution convolution || !_likeReference)
        {
            return base.Forward(x);
        }
        using var scope = new TensorScope();
        var (folded, spec) = OftReference.Rotate(x, convolution.Spec, Rotate);
        return scope.Return(folded.Convolve(spec, Layer.Matrix, Layer.Bias?.Value));
    }

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        if (Layer is not Convolution || !_likeReference)
        {
            return base.AddTo(x, y);
        }
        using var scope = new TensorScope();
        return scope.Return(y + (Forward(x) - Layer.Compute(x)));
    }

    protected override Tensor Rotate(Tensor x)
    {
        if (_config.Constrained)
        {
            Project();
        }
        using var scope = new TensorScope();
        return scope.Return(x.MultiplyBlocks(Blocks()));
    }

    /// <summary>(r, b, b)</summary>
    private Tensor Blocks()
    {
        using var scope = new TensorScope();
        var q = _triangles.Value.SkewSymmetric(_side);
        return scope.Return(_dropout.Apply(_config.UseCayleyNeumann ? Cayley.Series(q, _config.NeumannTerms) : Cayley.Exact(q)));
    }

    /// <summary>The divisor of <paramref name="inputs"/> nearest to <paramref name="wanted"/>; of two equally near, the smaller.</summary>
    private static int Nearest(int inputs, int wanted)
    {
        if (wanted >= inputs)
        {
            return inputs;
        }
        int higher = wanted, lower = wanted;
        while (inputs % higher != 0)
        {
            higher++;
        }
        while (inputs % lower != 0)
        {
            lower--;
        }
        return wanted - lower <= higher - wanted ? lower : higher;
    }

    /// <summary>Constrained OFT: scales each Q whose Frobenius norm exceeds ε/√blocks to that norm. As in Hugging Face PEFT this changes
    /// the parameters, and has no gradient.</summary>
    private void Project()
    {
        float[] values = _triangles.Value.ToArray<float>();
        int blocks = _triangles.Shape[0], width = _triangles.Shape[1];
        float limit = (float)(_config.Epsilon / Math.Sqrt(blocks));
        bool changed = false;
        for (int block = 0; block < blocks; block++)
        {
            var triangle = values.AsSpan(block * width, width);
            float norm = MathF.Sqrt(2 * System.Numerics.Tensors.TensorPrimitives.SumOfSquares(triangle));
            if (norm > limit * (1 + Slack))
            {
                System.Numerics.Tensors.TensorPrimitives.Multiply(triangle, limit / norm, triangle);
                changed = true;
            }
        }
        if (changed)
        {
            _triangles.Value.Upload<float>(values);
        }
    }
}
