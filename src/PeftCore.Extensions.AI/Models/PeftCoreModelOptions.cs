using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Extensions.AI;

/// <summary>Where a model and its adapters are, and the device that computes.</summary>
public abstract class PeftCoreModelOptions
{
    /// <summary>The Hugging Face model directory.</summary>
    public string ModelDirectory { get; set; } = "";

    /// <summary>The name of the base model in requests and telemetry; null for that of the directory.</summary>
    public string? ModelId { get; set; }

    /// <summary>Adapter directories by the name that requests use as their model id.</summary>
    public IDictionary<string, string> Adapters { get; set; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The adapter of requests that name no model; null for the base model.</summary>
    public string? DefaultAdapter { get; set; }

    /// <summary>Dtype of the weights; null for that of the file.</summary>
    public DType? DType { get; set; }

    /// <summary>Threads of the CPU; 0 for one a core.</summary>
    public int Threads { get; set; }

    /// <summary>Maximum bytes of tensors; null for no limit.</summary>
    public long? MemoryLimit { get; set; }

    /// <summary>Makes the device, such as one of PeftCore.Ilgpu; null for the CPU. The model disposes it.</summary>
    public Func<Backend>? CreateBackend { get; set; }

    /// <summary>The name of the base model.</summary>
    internal string NameOfBase => ModelId ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(ModelDirectory)));

    /// <summary>The device of these options.</summary>
    internal Backend NewBackend() => CreateBackend?.Invoke() ?? new CpuBackend(Threads, MemoryLimit ?? long.MaxValue);
}

/// <summary>Options of a chat client: the model, its chat template, and how many requests run at once.</summary>
public sealed class PeftCoreChatOptions : PeftCoreModelOptions
{
    /// <summary>The chat template: a name of the tokenizer's own or of a built-in one (<c>chatml</c>, <c>llama3</c>, …); null for the one
    /// in the model directory.</summary>
    public string? ChatTemplate { get; set; }

    /// <summary>Maximum new tokens of a request that gives none; null for what the model directory says, or 128.</summary>
    public int? MaxOutputTokens { get; set; }

    /// <summary>Requests whose next tokens are computed in one step.</summary>
    public int MaxConcurrentRequests { get; set; } = 16;

    /// <summary>Requests that wait for a place; one more is refused.</summary>
    public int MaxQueuedRequests { get; set; } = 256;

    /// <summary>Maximum tokens of a request, prompt and answer together; null for the model's context, or fewer if
    /// <see cref="MaxCacheBytes"/> holds no more.</summary>
    public int? MaxTokens { get; set; }

    /// <summary>Maximum bytes of keys and values, which are allocated once; null for 1 GiB.</summary>
    public long? MaxCacheBytes { get; set; }
}

/// <summary>Options of an embedding generator: the model, and how texts become vectors.</summary>
public sealed class PeftCoreEmbeddingOptions : PeftCoreModelOptions
{
    /// <summary>The pooling: <c>cls</c>, <c>max</c>, <c>mean</c>, <c>mean_sqrt_len_tokens</c>, <c>weightedmean</c> or <c>lasttoken</c>;
    /// null for that of the model directory, without one the mean in encoders and the last token in decoders.</summary>
    public string? Pooling { get; set; }

    /// <summary>Whether vectors get the length 1; null for what the model directory says.</summary>
    public bool? Normalize { get; set; }

    /// <summary>Texts in one forward pass.</summary>
    public int BatchSize { get; set; } = 32;

    /// <summary>Whether a text of too many tokens is cut, as Sentence Transformers does; otherwise it is refused.</summary>
    public bool Truncate { get; set; }
}
