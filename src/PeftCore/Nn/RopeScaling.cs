namespace PeftCore.Nn;

/// <summary>How the rotary frequencies fᵢ = θ^(−2i/d) change for contexts longer than those of pre-training, under the names that
/// transformers has for it (rope_type).</summary>
internal abstract record RopeScaling
{
    /// <summary>rope_type of config.json.</summary>
    public abstract string Type { get; }

    /// <summary>Factor of cosines and sines, which scales q·k by its square.</summary>
    public virtual float AttentionFactor => 1;

    /// <summary>The part of a sequence's length that the frequencies depend on; sequences with equal ones share tables.</summary>
    /// <param name="length">Length of the sequence: one past its largest position.</param>
    public virtual int LengthKey(int length) => 0;

    /// <summary>The longest sequence of a model whose configuration has this maximum, which some types extend.</summary>
    public virtual int MaxLength(int configured) => configured;

    /// <summary>The frequencies of a sequence, (d/2).</summary>
    /// <param name="theta">θ, the base.</param>
    /// <param name="dimension">d, the columns of a head that turn.</param>
    /// <param name="length">Length of the sequence.</param>
    public virtual double[] Frequencies(double theta, int dimension, int length) => Unscaled(theta, dimension);

    /// <summary>length·factor, rounded down.</summary>
    protected static int Extended(int length, float factor) => (int)Math.Min((double)length * factor, int.MaxValue);

    /// <summary>fᵢ = θ^(−2i/d) (Su et al. 2021).</summary>
    protected static double[] Unscaled(double theta, int dimension)
    {
        double[] frequencies = new double[dimension / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = Math.Pow(theta, -2.0 * i / dimension);
        }
        return frequencies;
    }
}

/// <summary>No scaling.</summary>
internal sealed record DefaultRope : RopeScaling
{
    /// <inheritdoc/>
    public override string Type => "default";
}

/// <summary>Position interpolation (Chen et al. 2023): fᵢ/factor.</summary>
/// <param name="Factor">The factor by which the context is extended.</param>
internal sealed record LinearRope(float Factor) : RopeScaling
{
    /// <inheritdoc/>
    public override string Type => "linear";

    /// <inheritdoc/>
    public override int MaxLength(int configured) => Extended(configured, Factor);

    /// <inheritdoc/>
    public override double[] Frequencies(double theta, int dimension, int length) =>
        Array.ConvertAll(Unscaled(theta, dimension), f => f / Factor);
}

/// <summary>Dynamic NTK scaling: the base grows with the sequence, θ' = θ·(factor·T/L − (factor − 1))^(d/(d − 2)) for T above L.
/// A sequence has the base of its own length: the longest of the batch in training, the tokens so far in generation, whose cached keys
/// keep the base they were made with. transformers does the same, but keeps a longer sequence's base until one of at most L tokens
/// comes.</summary>
/// <param name="Factor">The factor.</param>
/// <param name="OriginalLength">L, max_position_embeddings.</param>
internal sealed record DynamicRope(float Factor, int OriginalLength) : RopeScaling
{
    /// <inheritdoc/>
    public override string Type => "dynamic";

    /// <inheritdoc/>
    public override int MaxLength(int configured) => Extended(configured, Factor);

    /// <inheritdoc/>
    public override int LengthKey(int length) => Math.Max(length, OriginalLength);

    /// <inheritdoc/>
    public override double[] Frequencies(double theta, int dimension, int length)
    {
        double growth = (double)Factor * LengthKey(length) / OriginalLength - (Factor - 1.0);
        return Unscaled(dimension > 2 ? theta * Math.Pow(growth, dimension / (dimension - 2.0)) : theta, dimension);
    }
}

/// <summary>Llama 3 (Dubey et al. 2024): frequencies of short wavelengths are unchanged, of long ones divided by the factor, and between
/// them interpolated.</summary>
/// <param name="Factor">The factor by which the context is extended.</param>
/// <param name="LowFrequencyFactor">Wavelengths above original/this are multiplied by the factor.</param>
/// <param name="HighFrequencyFactor">Wavelengths below original/this are unchanged.</param>
/// <param name="OriginalLength">Context length of pre-training.</param>
internal sealed record Llama3Rope(float Factor, float LowFrequencyFactor, float HighFrequencyFactor, int OriginalLength) : RopeScaling
{
    /// <inheritdoc/>
    public override string Type => "llama3";

    /// <inheritdoc/>
    public override int MaxLength(int configured) => Math.Max(configured, Extended(OriginalLength, Factor));

    /// <inheritdoc/>
    public override double[] Frequencies(double theta, int dimension, int length) => Array.ConvertAll(Unscaled(theta, dimension), Stretch);

    private double Stretch(double frequency)
    {
        double turns = OriginalLength * frequency / (2 * Math.PI);
        double keep = Math.Clamp((turns - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor), 0, 1);
        return (1 - keep) * frequency / Factor + keep * frequency;
    }
}

/// <summary>YaRN (Peng et al. 2023): frequencies that turn more than β_fast times in the original context are unchanged, those that turn
/// less than β_slow times are divided by the factor, and between them a ramp over i interpolates.</summary>
/// <param name="Factor">The factor by which the context is extended.</param>
/// <param name="OriginalLength">Context length of pre-training.</param>
/// <param name="BetaFast">β_fast, 32 in the paper.</param>
/// <param name="BetaSlow">β_slow, 1 in the paper.</param>
/// <param name="Truncate">Whether the ends of the ramp are rounded to whole i.</param>
/// <param name="CosineFactor">Factor of cosines and sines, 0.1·ln(factor) + 1 in the paper.</param>
internal sealed record YarnRope(float Factor, int OriginalLength, float BetaFast, float BetaSlow, bool Truncate, float CosineFactor)
    : RopeScaling
{
    /// <inheritdoc/>
    public override string Type => "yarn";

    /// <inheritdoc/>
    public override int MaxLength(int configured) => Math.Max(configured, Extended(OriginalLength, Factor));

    /// <inheritdoc/>
    public override float AttentionFactor => CosineFactor;

    /// <inheritdoc/>
    public override double[] Frequencies(double theta, int dimension, int length)
    {
        double[] frequencies = Unscaled(theta, dimension);
        double low = IndexOf(BetaFast), high = IndexOf(BetaSlow);
        if (Truncate)
        {
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        }
        (low, high) = (Math.Max(low, 0), Math.Min(high, dimension - 1));
        for (int i = 0; i < frequencies.Length; i++)
        {
            double divided = Math.Clamp((i - low) / (high == low ? 0.001 : high - low), 0, 1);
            frequencies[i] *= divided / Factor + (1 - divided);
        }
        return frequencies;

        // The i whose frequency turns so many times in the original context.
        double IndexOf(double turns) => dimension * Math.Log(OriginalLength / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
    }
}

/// <summary>LongRoPE (Ding et al. 2024): each frequency is divided by a factor of its own, from one list for sequences of at most the
/// original length and from another for longer ones. As in transformers, the choice is made anew for every pass, by the longest sequence
/// of the batch; keys that a cache has kept from a shorter one are not computed again.</summary>
/// <param name="ShortFactors">Divisors for short sequences, (d/2).</param>
/// <param name="LongFactors">Divisors for long sequences, (d/2).</param>
/// <param name="OriginalLength">Context length of pre-training.</param>
/// <param name="CosineFactor">Factor of cosines and sines.</param>
internal sealed record LongRope(FloatList ShortFactors, FloatList LongFactors, int OriginalLength, float CosineFactor) : RopeScaling
{
    /// <inheritdoc/>
    public override string Type => "longrope";

    /// <inheritdoc/>
    public override float AttentionFactor => CosineFactor;

    /// <inheritdoc/>
    public override int LengthKey(int length) => length > OriginalLength ? 1 : 0;

    /// <inheritdoc/>
    public override double[] Frequencies(double theta, int dimension, int length)
    {
        double[] frequencies = Unscaled(theta, dimension);
        var divisors = length > OriginalLength ? LongFactors : ShortFactors;
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] /= divisors[i];
        }
        return frequencies;
    }
}

/// <summary>A list of numbers that is compared by its values.</summary>
internal sealed class FloatList(IEnumerable<double> values) : IEquatable<FloatList>
{
    private readonly double[] _values = [.. values];

    /// <summary>Number of values.</summary>
    public int Count => _values.Length;

    /// <summary>One value.</summary>
    public double this[int index] => _values[index];

    /// <inheritdoc/>
    public bool Equals(FloatList? other) => other is not null && _values.AsSpan().SequenceEqual(other._values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as FloatList);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_values.Length, _values.FirstOrDefault());
}
