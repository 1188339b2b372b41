using PeftCore.Io;
using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>Converts a LoRA whose initial factors are subtracted from the base weight (PiSSA, OLoRA, CorDA, LoRA-GA) to a plain one: its
/// update of the unchanged base is s·(B·A − B₀·A₀) = s·[B, −B₀]·[A; A₀], a LoRA of twice the rank.</summary>
internal static class PlainConversion
{
    /// <summary>The configuration of the plain adapter: twice the rank, with α that keeps the scale.</summary>
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
            var layer = adapter.Layers.Find(layer => layer.Path == parameter.Path
                && layer.Layer.Parameters.Any(own => own.Parameter == parameter.Parameter)).Layer;
            yield return layer switch
            {
                LoraLayer linear when parameter.Parameter == linear.A => Factor(parameter.FileName, linear, isA: true),
                LoraLayer linear when parameter.Parameter == linear.B => Factor(parameter.FileName, linear, isA: false),
                LoraEmbeddingLayer embedding when parameter.Parameter == embedding.A => Padded(parameter, rows: true),
                LoraEmbeddingLayer embedding when parameter.Parameter == embedding.B => Padded(parameter, rows: false),
                _ => Models.ModelWriter.ToFile(parameter.FileName, parameter.Parameter),
            };
        }
    }

    /// <summary>The tensors of the plain adapter's file, [A; A₀] and [B, −B₀], from an adapter's file and the file saved before training.
    /// The dtype is unchanged.</summary>
    public static IEnumerable<SafetensorsTensor> Tensors(AdapterWeights trained, AdapterWeights initial)
    {
        foreach (string name in trained.Names)
        {
            var entry = trained.Get(name);
            string kind = name.Split('.') is { Length: > 1 } parts ? parts[^1] == "weight" ? parts[^2] : parts[^1] : name;
            if (kind is not ("lora_A" or "lora_B" or "lora_embedding_A" or "lora_embedding_B"))
            {
                yield return entry.ToFile(name);
                continue;
            }
            var start = initial.Get(name);
            if (start.DType != entry.DType || !start.Shape.AsSpan().SequenceEqual(entry.Shape))
            {
                throw start.Error(
                    $"is {start.DType} ({string.Join(", ", start.Shape)}), but the trained one is {entry.DType} " +
                    $"({string.Join(", ", entry.Shape)}); they are not of one run");
            }
            bool isA = kind.EndsWith('A');
            long[] shape = isA ? [2 * entry.Shape[0], entry.Shape[1]] : [entry.Shape[0], 2 * entry.Shape[1]];
            StoredBytes own = entry.Copy(), before = start.Copy();
            yield return new SafetensorsTensor(name, entry.DType, shape,
                stream => WriteBoth(stream, own, before, isA ? null : entry.Shape, entry.Length));
        }
    }

    /// <summary>Writes [A; A₀], or with the shape of B [B, −B₀].</summary>
    private static void WriteBoth(Stream stream, StoredBytes own, StoredBytes before, long[]? shapeOfB, long length)
    {
        if (shapeOfB is not null)
        {
            WriteNegated(stream, own, before, shapeOfB, length);
            return;
        }
        own.WriteTo(stream);
        before.WriteTo(stream);
    }

    /// <summary>Writes [B, −B₀], row by row. The sign is the highest bit in every floating-point format.</summary>
    private static void WriteNegated(Stream stream, StoredBytes b, StoredBytes start, long[] shape, long length)
    {
        if (length == 0)
        {
            return;
        }
        int width = checked((int)(length / shape[0])), size = (int)(width / shape[1]);
        byte[] row = new byte[width];
        for (long at = 0; at < length; at += width)
        {
            b.CopyTo(at, row);
            stream.Write(row);
            start.CopyTo(at, row);
            for (int last = size - 1; last < width; last += size)
            {
                row[last] ^= 0x80;
            }
            stream.Write(row);
        }
    }

    private static SafetensorsTensor Factor(string name, LoraLayer layer, bool isA)
    {
        var update = LowRankFactors.Of(layer);
        return isA ? ToFile(name, update.A, update.Rank, update.Inputs) : ToFile(name, update.B, update.Outputs, update.Rank);
    }

    /// <summary>A factor of an embedding, which these initialisations do not change, padded with zeros to twice the rank.</summary>
    private static SafetensorsTensor Padded(AdapterParameter parameter, bool rows)
    {
        int height = parameter.Parameter.Shape[0], width = parameter.Parameter.Shape[1];
        double[] values = parameter.Parameter.Value.ToDoubles();
        if (rows)
        {
            return ToFile(parameter.FileName, [.. values, .. new double[values.Length]], 2 * height, width);
        }
        double[] wide = new double[2 * values.Length];
        for (int i = 0; i < height; i++)
        {
            values.AsSpan(i * width, width).CopyTo(wide.AsSpan(2 * i * width));
        }
        return ToFile(parameter.FileName, wide, height, 2 * width);
    }

    private static SafetensorsTensor ToFile(string name, double[] values, int rows, int columns) =>
        SafetensorsTensor.Of(name, "F32", [rows, columns], Array.ConvertAll(values, x => (float)x));
}
