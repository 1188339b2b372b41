using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Ilgpu;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>Plans passes without training within --max-memory, so that the weights of blocks which do not fit are kept on the host or on
/// disk.</summary>
/// <param name="Limits">--max-memory; null for no limit.</param>
/// <param name="Device">--device.</param>
/// <param name="PackWeights">Whether the CPU keeps frozen weights packed.</param>
internal sealed record PassPlan(MemoryLimits? Limits, string Device, bool PackWeights = false)
{
    /// <summary>Has the next model that is loaded on the device keep its weights where the limits allow.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="build">Loads the model.</param>
    /// <param name="passes">Runs the largest passes.</param>
    /// <param name="refuses">Whether a run that does not fit is refused; otherwise it runs as far as it gets on the device. The host's
    /// limit is kept in any case.</param>
    /// <returns>The plan; null without a limit of the device.</returns>
    /// <exception cref="BadInputException">The passes do not fit.</exception>
    public MemoryPlan? Apply(Backend backend, Func<Backend, PeftModel> build, Action<PeftModel, Backend> passes, bool refuses)
    {
        if (Limits?.For(Device) is not { } limit)
        {
            return null;
        }
        var options = new TrainOptions { Limits = Limits, Device = Device };
        var plan = MemoryPlan.OfPasses(build, passes, backend.ActivationDType, PackWeights, Math.Max(0, limit.Bytes - backend.LimitMargin),
            IlgpuDevices.ChunkBytes(Device), options.TensorCores, options.HostLimit, options.KeepOnDisk);
        // The longest text decides about the device's memory, but not about the host's.
        refuses |= plan.HostBytes > (options.HostLimit ?? long.MaxValue);
        if (refuses && MemoryRefusal.Of(plan, options, backend.LimitMargin) is { } refusal)
        {
            throw new BadInputException(refusal + ".");
        }
        plan.ApplyTo(backend);
        return plan;
    }

    /// <summary>Reads a prompt and decodes one token, with a cache for all tokens of the run.</summary>
    /// <param name="prompt">Tokens of the prompt.</param>
    /// <param name="length">Tokens of the prompt and of what is generated.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="cacheDType">The type of the cached keys and values.</param>
    public static Action<PeftModel, Backend> Decoding(int prompt, int length, int batch, DType? cacheDType = null) => (model, backend) =>
    {
        if (model.Base.Task != Models.ModelTask.CausalLm)
        {
            Reading(batch, Math.Min(prompt, model.Base.MaxLength))(model, backend);
            return;
        }
        int places = model.Base.VirtualTokenCount;
        int most = Math.Max(1, Math.Min(length, model.Base.MaxLength - places)), read = Math.Clamp(prompt, 1, Math.Max(1, most - 1));
        using var decoder = new CachedDecoder(model.Base, backend, Math.Max(most, read + 1), cacheDType, batch);
        float[] logits = new float[batch * model.Base.VocabularySize];
        decoder.Read(new int[batch * read], logits);
        if (most > read)
        {
            decoder.Read(new int[batch], logits);
        }
    };

    /// <summary>Computes the loss of a batch, as evaluation does.</summary>
    /// <param name="batch">Rows.</param>
    /// <param name="length">Tokens of a row.</param>
    public static Action<PeftModel, Backend> Reading(int batch, int length) => (model, _) =>
        Evaluation.Run(model.Base, [MemoryPlan.FullBatch(model.Base, batch, length)], CancellationToken.None, withMetrics: false);
}
