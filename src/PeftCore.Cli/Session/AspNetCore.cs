using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace PeftCore.Cli.Session;

/// <summary>Finds ASP.NET Core for serve and lab. The program does not name it as a framework to start with, so that all other verbs run
/// where only .NET's runtime is installed.</summary>
internal static class AspNetCore
{
    private const string Framework = "Microsoft.AspNetCore.App";

    /// <summary>Lets the runtime load the assemblies of ASP.NET Core that is installed beside it, unless the program brings them.</summary>
    /// <param name="verb">The verb that needs it.</param>
    /// <exception cref="BadInputException">It is not installed.</exception>
    public static void Require(string verb)
    {
        // A native program holds them; the runtime's own list names those of a program that brings its runtime.
        if (!RuntimeFeature.IsDynamicCodeSupported
            || (AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string)?.Contains("Microsoft.AspNetCore.Hosting.dll") == true)
        {
            return;
        }
        string runtime = Path.TrimEndingDirectorySeparator(RuntimeEnvironment.GetRuntimeDirectory());
        string directory = Find(Path.GetFullPath(Path.Combine(runtime, "..", "..", Framework)), Environment.Version)
            ?? throw new BadInputException($"{verb} needs ASP.NET Core {Environment.Version.Major}, which is not installed beside .NET's " +
                $"runtime in {runtime}; install the package aspnetcore-runtime-{Environment.Version.ToString(2)}, or publish peftcore " +
                "self-contained.");
        AssemblyLoadContext.Default.Resolving += (context, name) => Load(context, name, directory);
    }

    /// <summary>The version of the framework to use: that of the runtime, else the newest of the same major version.</summary>
    internal static string? Find(string frameworks, Version runtime)
    {
        if (!Directory.Exists(frameworks))
        {
            return null;
        }
        return Directory.EnumerateDirectories(frameworks)
            .Select(directory => (Directory: directory,
                Version: Version.TryParse(Path.GetFileName(directory), out var version) ? version : null))
            .Where(found => found.Version?.Major == runtime.Major)
            .OrderByDescending(found => found.Version == runtime).ThenByDescending(found => found.Version)
            .Select(found => found.Directory).FirstOrDefault();
    }

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "A trimmed program brings ASP.NET Core and never comes here.")]
    private static Assembly? Load(AssemblyLoadContext context, AssemblyName name, string directory)
    {
        string path = Path.Combine(directory, name.Name + ".dll");
        return File.Exists(path) ? context.LoadFromAssemblyPath(path) : null;
    }
}
