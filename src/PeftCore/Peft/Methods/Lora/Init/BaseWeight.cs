using System.Numerics.Tensors;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>Reads the weight that an initialisation factors.</summary>
internal static class BaseWeight
{
    /// <summary>W (out, in) in double precision, whatever its layout and dtype.</summary>
    /// <exception cref="BadInputException">The weight holds NaN or infinity.</exception>
    public static double[] ToDouble(string path, Linear layer)
    {
        var stored = layer.Weight.Value;
        if (stored.Count > Array.MaxLength)
        {
            throw new BadInputException($"the weight of \"{path}\" has {stored.Count} elements, but at most {Array.MaxLength} can be " +
                "factored; use another initialisation or leave the layer out");
        }
        double[] values = new double[stored.Count];
        // A quantised weight has no views.
        foreach (var (first, chunk) in stored.IsQuantized ? [(0L, stored)] : stored.Chunks())
        {
            float[] floats = chunk.ToFloats();
            if (!Array.TrueForAll(floats, float.IsFinite))
            {
                throw new BadInputException(
                    $"the weight of \"{path}\" holds NaN or infinity, so it cannot be factored; use another initialisation or an intact " +
                    "model");
            }
            TensorPrimitives.ConvertTruncating<float, double>(floats, values.AsSpan((int)first));
        }
        return layer.Transposed ? Dense.Transpose(values, layer.Inputs, layer.Outputs) : values;
    }
}
