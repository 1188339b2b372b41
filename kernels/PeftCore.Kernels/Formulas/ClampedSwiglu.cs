using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>gpt-oss's gated unit: h = g·σ(1.702·g)·(u + 1) with g = min(gate, 7) and u = clamp(up, −7, 7). A clamped element has no
/// derivative. Gate and up alternate.</summary>
internal readonly struct ClampedSwiglu : IGluFormula
{
    private const float Slope = 1.702f, Limit = 7f;

    /// <inheritdoc/>
    public static bool IsInterleaved => true;

    /// <inheritdoc/>
    public static float Forward(float gate, float up)
    {
        float g = gate > Limit ? Limit : gate, u = Clamp(up);
        return g * Sigmoid.Forward(Slope * g) * (u + 1f);
    }

    /// <inheritdoc/>
    public static float GateDerivative(float gate, float up)
    {
        float s = Sigmoid.Forward(Slope * gate);
        float value = s * (1f + (Slope * gate * (1f - s))) * (Clamp(up) + 1f);
        return gate > Limit ? 0f : value;
    }

    /// <inheritdoc/>
    public static float UpDerivative(float gate, float up)
    {
        float g = gate > Limit ? Limit : gate;
        float value = g * Sigmoid.Forward(Slope * g);
        return up > Limit || up < -Limit ? 0f : value;
    }

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> gate, Vector<float> up)
    {
        var g = Vector.Min(gate, new Vector<float>(Limit));
        return g * Sigmoid.Forward(g * Slope) * (Clamp(up) + Vector<float>.One);
    }

    /// <inheritdoc/>
    public static Vector<float> GateDerivative(Vector<float> gate, Vector<float> up)
    {
        var s = Sigmoid.Forward(gate * Slope);
        var value = s * (Vector<float>.One + (gate * Slope * (Vector<float>.One - s))) * (Clamp(up) + Vector<float>.One);
        return Vector.ConditionalSelect(Vector.GreaterThan(gate, new Vector<float>(Limit)), Vector<float>.Zero, value);
    }

    /// <inheritdoc/>
    public static Vector<float> UpDerivative(Vector<float> gate, Vector<float> up)
    {
        var g = Vector.Min(gate, new Vector<float>(Limit));
        var clamped = Vector.GreaterThan(Vector.Abs(up), new Vector<float>(Limit));
        return Vector.ConditionalSelect(clamped, Vector<float>.Zero, g * Sigmoid.Forward(g * Slope));
    }

    private static float Clamp(float up) => up > Limit ? Limit : up < -Limit ? -Limit : up;

    private static Vector<float> Clamp(Vector<float> up) =>
        Vector.Max(Vector.Min(up, new Vector<float>(Limit)), new Vector<float>(-Limit));
}
