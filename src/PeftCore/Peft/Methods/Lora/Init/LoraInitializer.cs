using PeftCore.Backends;
using PeftCore.Nn;

namespace PeftCore.Peft.Lora;

/// <summary>Initialises A (r, in) and B (out, r) of a linear layer or a convolution. Each initialisation is a file of this
/// folder.</summary>
internal static class LoraInitializer
{
    /// <summary>Fills A and B.</summary>
    /// <returns>The factors that are subtracted from the base weight; null if none are.</returns>
    /// <exception cref="BadInputException">The weight cannot be factored, or the factors from data have another rank.</exception>
    public static FrozenInitialFactors? Fill(AttachContext context, LoraConfig config, string path, MatrixLayer target, Parameter a,
        Parameter b, float scale, ulong stream)
    {
        if (target is not Linear layer)
        {
            FillKernels(config, path, a, b, context.Seed, stream);
            return null;
        }
        LowRankFactors? calibrated = null;
        switch (config.Init)
        {
            case var _ when context.Factors?.TryGetValue(path, out calibrated) == true: // EVA, CorDA, LoRA-GA
                Upload(path, calibrated, a, b);
                break;
            case LoraInit.Gaussian:
                GaussianInit.Fill(a, b, context.Seed, stream);
                break;
            case LoraInit.Random:
                KaimingInit.FillBoth(a, b, context.Seed, stream);
                break;
            case LoraInit.Pissa or LoraInit.Olora when context.Backend.IsMeta: // No values, only shapes.
                break;
            case LoraInit.Pissa:
                PissaInit.Solve(BaseWeight.ToDouble(path, layer), layer, a.Shape[0], scale).Upload(a.Value, b.Value);
                break;
            case LoraInit.Olora:
                OloraInit.Solve(BaseWeight.ToDouble(path, layer), layer, a.Shape[0]).Upload(a.Value, b.Value);
                break;
            case LoraInit.Loftq:
                LoftqInit.Fill(context, path, layer, a, b, scale, config.LoftqIterations);
                break;
            default:
                KaimingInit.Fill(a, b, context.Seed, stream);
                break;
        }
        bool takenOut = config.Init.ChangesBase && (calibrated is not null || context.ShapesOnly || !config.Init.NeedsData);
        return takenOut ? FrozenInitialFactors.Copy(context, a.Value, b.Value) : null;
    }

    /// <summary>Fills the kernels of a convolution's update; initialisations that factor or measure a weight are those of linear
    /// layers.</summary>
    private static void FillKernels(LoraConfig config, string path, Parameter a, Parameter b, ulong seed, ulong stream)
    {
        switch (config.Init)
        {
            case LoraInit.Gaussian:
                GaussianInit.Fill(a, b, seed, stream);
                break;
            case LoraInit.Random:
                KaimingInit.FillBoth(a, b, seed, stream);
                break;
            case LoraInit.Default:
                KaimingInit.Fill(a, b, seed, stream);
                break;
            default:
                throw new BadInputException(
                    $"init_lora_weights is {LoraConfigFields.ToJson(config.Init)}, which is for linear layers, but \"{path}\" is a " +
                    "convolution; leave it out, or choose true, false or gaussian");
        }
    }

    private static void Upload(string path, LowRankFactors factors, Parameter a, Parameter b)
    {
        if (factors.Rank != a.Shape[0] || factors.A.Length != a.Shape.Count || factors.B.Length != b.Shape.Count)
        {
            throw new BadInputException(
                $"the initial factors of \"{path}\" are of rank {factors.Rank}, but the configuration asks for rank {a.Shape[0]}; " +
                "continue " +
                "with the rank the run began with");
        }
        if (!a.Value.Backend.IsMeta)
        {
            factors.Upload(a.Value, b.Value);
        }
    }
}
