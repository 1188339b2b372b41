using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>Root-mean-square normalisation (Zhang and Sennrich 2019).</summary>
public sealed class RmsNorm : Layer
{
    private readonly float _epsilon;

    /// <summary>Declares the layer.</summary>
    public RmsNorm(int columns, float epsilon)
    {
        _epsilon = epsilon;
        Add("weight", new Parameter([columns]));
    }

    /// <summary>The scale, (columns).</summary>
    public Parameter Weight => OwnParameter("weight")!;

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => With(x, Weight.Value);

    /// <summary>Runs the norm with another scale.</summary>
    internal Tensor With(Tensor x, Tensor weight) => x.RmsNorm(weight, _epsilon);
}

/// <summary>Layer normalisation (Ba et al. 2016).</summary>
public sealed class LayerNorm : Layer
{
    private readonly float _epsilon;

    /// <summary>Declares the layer.</summary>
    public LayerNorm(int columns, float epsilon)
    {
        _epsilon = epsilon;
        Add("weight", new Parameter([columns]));
        Add("bias", new Parameter([columns]));
    }

    /// <summary>The scale, (columns).</summary>
    public Parameter Weight => OwnParameter("weight")!;

    /// <summary>The shift, (columns).</summary>
    public Parameter Bias => OwnParameter("bias")!;

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => With(x, Weight.Value, Bias.Value);

    /// <summary>Runs the norm with another scale and shift.</summary>
    internal Tensor With(Tensor x, Tensor weight, Tensor bias) => x.LayerNorm(weight, bias, _epsilon);
}
