using Microsoft.Extensions.Options;

namespace PeftCore.Extensions.AI;

/// <summary>Checks options before anything is loaded, so that a host with a wrong path does not start.</summary>
internal static class ModelOptionsChecks
{
    /// <summary>What is wrong with options, one sentence each.</summary>
    public static IEnumerable<string> ProblemsOf(PeftCoreModelOptions options)
    {
        if (options.ModelDirectory.Length == 0)
        {
            yield return "ModelDirectory is empty, expected the path of a Hugging Face model directory";
        }
        else if (!Directory.Exists(options.ModelDirectory))
        {
            yield return $"ModelDirectory {options.ModelDirectory}: there is no such directory";
        }
        foreach (var (name, directory) in options.Adapters)
        {
            if (!File.Exists(Path.Combine(directory, "adapter_config.json")))
            {
                yield return $"Adapters[\"{name}\"]: {directory} has no adapter_config.json, expected the directory of an adapter";
            }
        }
        if (options.ModelDirectory.Length > 0 && options.Adapters.ContainsKey(options.NameOfBase))
        {
            yield return $"Adapters has the name \"{options.NameOfBase}\", which is that of the base model; give the adapter another, or " +
                "the base a ModelId";
        }
        if (options.DefaultAdapter is { } adapter && !options.Adapters.ContainsKey(adapter))
        {
            yield return $"DefaultAdapter is \"{adapter}\", which is not in Adapters; add it";
        }
        if (options.Threads < 0)
        {
            yield return $"Threads is {options.Threads}, expected at least 0";
        }
        if (options.MemoryLimit <= 0)
        {
            yield return $"MemoryLimit is {options.MemoryLimit}, expected a number of bytes above 0";
        }
        if (options.CreateBackend is not null && (options.Threads != 0 || options.MemoryLimit is not null))
        {
            yield return "Threads and MemoryLimit are those of the CPU, but CreateBackend makes the device; set them there";
        }
        foreach (string problem in OwnProblems(options))
        {
            yield return problem;
        }
    }

    /// <summary>Refuses options with the first thing that is wrong.</summary>
    /// <exception cref="BadInputException">An option is invalid.</exception>
    public static void ThrowIfBad(PeftCoreModelOptions options)
    {
        if (ProblemsOf(options).FirstOrDefault() is { } problem)
        {
            throw new BadInputException(problem);
        }
    }

    private static IEnumerable<string> OwnProblems(PeftCoreModelOptions options) => options switch
    {
        PeftCoreChatOptions chat =>
        [
            .. AtLeastOne(nameof(chat.MaxConcurrentRequests), chat.MaxConcurrentRequests),
            .. AtLeastOne(nameof(chat.MaxQueuedRequests), chat.MaxQueuedRequests),
            .. AtLeastOne(nameof(chat.MaxOutputTokens), chat.MaxOutputTokens ?? 1),
            .. AtLeastOne(nameof(chat.MaxTokens), chat.MaxTokens ?? 1),
            .. AtLeastOne(nameof(chat.MaxCacheBytes), chat.MaxCacheBytes ?? 1),
        ],
        PeftCoreEmbeddingOptions embedding =>
        [
            .. AtLeastOne(nameof(embedding.BatchSize), embedding.BatchSize),
            .. embedding.Pooling is { } name && Embeddings.SentenceFiles.PoolingOf(name) is null
                ? [$"Pooling is \"{name}\", expected {string.Join(", ", Embeddings.SentenceFiles.PoolingNames)}"] : (string[])[],
        ],
        _ => [],
    };

    private static string[] AtLeastOne(string name, long value) => value >= 1 ? [] : [$"{name} is {value}, expected at least 1"];
}

/// <summary>The checks as a host runs them when it starts.</summary>
internal sealed class ModelOptionsValidator<TOptions> : IValidateOptions<TOptions>
    where TOptions : PeftCoreModelOptions
{
    public ValidateOptionsResult Validate(string? name, TOptions options) => ModelOptionsChecks.ProblemsOf(options).ToArray() switch
    {
        [] => ValidateOptionsResult.Success,
        var problems => ValidateOptionsResult.Fail(problems),
    };
}
