using Microsoft.Extensions.Options;
using PeftCore.Backends;

namespace PeftCore.Extensions.AI;

/// <summary>Options of training in the background.</summary>
public sealed class PeftCoreTrainingOptions
{
    /// <summary>Where adapters are saved: a folder for each, with a folder run-N for each training.</summary>
    public string OutputDirectory { get; set; } = "";

    /// <summary>Threads of the CPU that train; 0 for one a core. Requests are answered meanwhile, so fewer leave them some.</summary>
    public int Threads { get; set; }

    /// <summary>Maximum bytes of tensors of a training; null for no limit. The base model is loaded a second time for it.</summary>
    public long? MemoryLimit { get; set; }

    /// <summary>Makes the device of a training, which is disposed at its end; null for the CPU.</summary>
    public Func<Backend>? CreateBackend { get; set; }

    /// <summary>Jobs that wait at most.</summary>
    public int MaxQueuedJobs { get; set; } = 16;

    /// <summary>Whether the adapters that were trained before serve again when the host starts: of each the last run.</summary>
    public bool ServeSaved { get; set; } = true;

    internal Backend NewBackend() => CreateBackend?.Invoke() ?? new CpuBackend(Threads, MemoryLimit ?? long.MaxValue);
}

/// <summary>Checks the options of training when the host starts.</summary>
internal sealed class TrainingOptionsValidator : IValidateOptions<PeftCoreTrainingOptions>
{
    public ValidateOptionsResult Validate(string? name, PeftCoreTrainingOptions options) =>
        options.OutputDirectory.Length == 0 ? Bad("OutputDirectory is empty, expected the path under which trained adapters are saved")
        : File.Exists(options.OutputDirectory) ? Bad($"OutputDirectory {options.OutputDirectory} is a file, expected a directory")
        : options.Threads < 0 ? Bad($"Threads is {options.Threads}, expected at least 0")
        : options.MemoryLimit <= 0 ? Bad($"MemoryLimit is {options.MemoryLimit}, expected a number of bytes above 0")
        : options.CreateBackend is not null && (options.Threads != 0 || options.MemoryLimit is not null)
            ? Bad("Threads and MemoryLimit are those of the CPU, but CreateBackend makes the device; set them there")
        : options.MaxQueuedJobs < 1 ? Bad($"MaxQueuedJobs is {options.MaxQueuedJobs}, expected at least 1")
        : ValidateOptionsResult.Success;

    private static ValidateOptionsResult Bad(string sentence) => ValidateOptionsResult.Fail(sentence);
}
