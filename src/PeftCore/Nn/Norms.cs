using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>Root-mean-square normalisation (Zhang and Sennrich 2019).</summary>
public sealed class RmsNorm : Layer
{
    private readonly float _epsilon;
    private readonly float _weightOffset;

    /// <summary>Declares the layer.</summary>
    public RmsNorm(int columns, float epsilon) : this(columns, epsilon, weightOffset: 0)
    {
    }

    /// <summary>Declares the layer.</summary>
    /// <param name="columns">Columns of x.</param>
    /// <param name="epsilon">ε</param>
    /// <param name="weightOffset">Added to the weight: 1 if the file has w − 1 (Gemma), otherwise 0.</param>
    internal RmsNorm(int columns, float epsilon, float weightOffset)
    {
        (_epsilon, _weightOffset) = (epsilon, weightOffset);
        Add("weight", new Parameter([columns]));
    }

    /// <summary>The scale, (columns).</summary>
    public Parameter Weight => OwnParameter("weight")!;

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => With(x, Weight.Value);

    /// <summary>Runs the norm with another scale.</summary>
    internal Tensor With(Tensor x, Tensor weight) => x.RmsNorm(weight, _epsilon, _weightOffset);
}

/// <summary>Layer normalisation (Ba et al. 2016).</summary>
public sealed class LayerNorm : Layer
{
    private readonly float _epsilon;

    /// <summary>Declares the layer.</summary>
    public LayerNorm(int columns, float epsilon) : this(columns, epsilon, bias: true)
    {
    }

    /// <summary>Declares the layer, with or without a shift.</summary>
    internal LayerNorm(int columns, float epsilon, bool bias)
    {
        _epsilon = epsilon;
        Add("weight", new Parameter([columns]));
        if (bias)
        {
            Add("bias", new Parameter([columns]));
        }
    }

    /// <summary>The scale, (columns).</summary>
    public Parameter Weight => OwnParameter("weight")!;

    /// <summary>The shift, (columns); null without one.</summary>
    public Parameter? Bias => OwnParameter("bias");

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => With(x, Weight.Value, Bias?.Value);

    /// <summary>Runs the norm with another scale and shift.</summary>
    internal Tensor With(Tensor x, Tensor weight, Tensor? bias) => x.LayerNorm(weight, bias, _epsilon);
}
