using System.Runtime.InteropServices;
using PeftCore.Io;

namespace PeftCore.Peft.Lora;

/// <summary>PiSSA and OLoRA train factors that were taken out of the base weight, so their files fit only programs that take them out again. What they
/// add to the unchanged base is [B, −B₀]·[A; A₀], a plain LoRA of twice the rank.</summary>
internal static class PlainConversion
{
    /// <summary>The configuration of the plain adapter: twice the rank at the same scale.</summary>
    public static LoraConfig Config(LoraConfig config)
    {
        double alpha = config.UseRsLora ? Math.Sqrt(2) : 2;
        return config with
        {
            Init = LoraInit.Default,
            Rank = 2 * config.Rank,
            Alpha = alpha * config.Alpha,
            RankPattern = [.. config.RankPattern.Select(pattern => KeyValuePair.Create(pattern.Key, 2 * pattern.Value))],
            AlphaPattern = [.. config.AlphaPattern.Select(pattern => KeyValuePair.Create(pattern.Key, alpha * pattern.Value))],
        };
    }

    /// <summary>The tensors of the plain adapter's file.</summary>
    public static IEnumerable<SafetensorsTensor> Tensors(Adapter adapter)
    {
        foreach (var parameter in adapter.Parameters)
        {
            var layer = adapter.Layers.Find(layer => layer.Path == parameter.Path && layer.Layer.Parameters.Any(own => own.Parameter == parameter.Parameter)).Layer;
            yield return layer switch
            {
                LoraLinearAdapter linear when parameter.Parameter == linear.A => Factor(parameter.FileName, linear, isA: true),
                LoraLinearAdapter linear when parameter.Parameter == linear.B => Factor(parameter.FileName, linear, isA: false),
                LoraEmbeddingAdapter embedding when parameter.Parameter == embedding.A => Padded(parameter, rows: true),
                LoraEmbeddingAdapter embedding when parameter.Parameter == embedding.B => Padded(parameter, rows: false),
                _ => Models.ModelWriter.ToFile(parameter.FileName, parameter.Parameter),
            };
        }
    }

    private static SafetensorsTensor Factor(string name, LoraLinearAdapter layer, bool isA)
    {
        var update = LowRank.Of(layer);
        return isA ? ToFile(name, update.A, update.Rank, update.Inputs) : ToFile(name, update.B, update.Outputs, update.Rank);
    }

    /// <summary>Embeddings are not changed by these initialisations; their factors get zeros up to the common rank.</summary>
    private static SafetensorsTensor Padded(AdapterParameter parameter, bool rows)
    {
        int height = parameter.Parameter.Shape[0], width = parameter.Parameter.Shape[1];
        double[] values = Array.ConvertAll(Backends.BackendOf.ToArray<float>(parameter.Parameter.Value), x => (double)x);
        if (rows)
        {
            return ToFile(parameter.FileName, [.. values, .. new double[values.Length]], 2 * height, width);
        }
        var wide = new double[2 * values.Length];
        for (int i = 0; i < height; i++)
        {
            values.AsSpan(i * width, width).CopyTo(wide.AsSpan(2 * i * width));
        }
        return ToFile(parameter.FileName, wide, height, 2 * width);
    }

    private static SafetensorsTensor ToFile(string name, double[] values, int rows, int columns) =>
        new(name, "F32", [rows, columns], MemoryMarshal.AsBytes<float>(Array.ConvertAll(values, x => (float)x)).ToArray());
}
