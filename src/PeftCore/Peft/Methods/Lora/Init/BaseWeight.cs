using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>Reads the weight that an initialisation factors.</summary>
internal static class BaseWeight
{
    /// <summary>W (out, in) in double precision, whatever its layout and dtype.</summary>
    /// <exception cref="BadInputException">The weight holds NaN or infinity.</exception>
    public static double[] ToDouble(string path, Linear layer)
    {
        using var scope = new TensorScope();
        var stored = layer.Weight.Value;
        var wide = stored.NewLike(stored.Shape);
        stored.Backend.Cast(stored, wide);
        if (!stored.Backend.AllFinite(wide))
        {
            throw new BadInputException(
                $"the weight of \"{path}\" holds NaN or infinity, so it cannot be factored; use another initialisation or an intact model");
        }
        double[] values = wide.ToDoubles();
        return layer.Transposed ? Dense.Transpose(values, layer.Inputs, layer.Outputs) : values;
    }
}
