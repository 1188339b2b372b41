using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>The tool under a root directory that holds nothing but it, .NET's runtime, and the C and C++ libraries that the runtime
/// needs: no OpenSSL, no ICU, no shell.</summary>
[Platform("Linux")]
public sealed class SmallMachineTests
{
    private static readonly string Runtime = Path.TrimEndingDirectorySeparator(RuntimeEnvironment.GetRuntimeDirectory());
    private static readonly string DotnetRoot = Path.GetFullPath(Path.Combine(Runtime, "..", "..", ".."));

    [Test]
    public void A_model_is_read_where_only_the_runtime_is_installed_and_serve_says_what_it_needs()
    {
        Assume.That(Environment.UserName, Is.EqualTo("root"), "only root can change the root directory");
        using var root = new TemporaryDirectory();
        Copy(Runtime, root.FullPath, "runtime/shared/Microsoft.NETCore.App/" + Path.GetFileName(Runtime));
        Copy(Path.Combine(DotnetRoot, "host"), root.FullPath, "runtime/host");
        File.Copy(Path.Combine(DotnetRoot, "dotnet"), Path.Combine(root.FullPath, "runtime", "dotnet"));
        Copy(Path.GetDirectoryName(typeof(Tool).Assembly.Location)!, root.FullPath, "tool");
        foreach (string library in LibrariesOf(Directory.GetFiles(Runtime, "*.so").Append(Path.Combine(DotnetRoot, "dotnet"))))
        {
            string copy = root.FullPath + library;
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(library, copy, overwrite: true);
        }
        Directory.CreateDirectory(Path.Combine(root.FullPath, "tmp"));
        Directory.CreateDirectory(Path.Combine(root.FullPath, "proc"));
        // The runtime reads /proc, as every container has it; the mount ends with the process.
        string[] tool =
        [
            "--mount", "sh", "-c", "mount --bind /proc \"$1/proc\" && exec chroot \"$@\"", "sh", root.FullPath, "/runtime/dotnet",
            "/tool/" + Path.GetFileName(typeof(Tool).Assembly.Location),
        ];
        Assert.That(Run("unshare", [.. tool, "inspect", "/tool/Demo/base-llama", "--json"]), Does.Contain("\"parameters\":3221952"));
        var refused = RunToEnd("unshare", [.. tool, "serve", "--model", "/tool/Demo/base-llama"]);
        Assert.That((refused.Code, refused.Error.Contains("serve needs ASP.NET Core")), Is.EqualTo((2, true)), refused.Error);
    }

    private static void Copy(string from, string root, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(root, to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    // The paths that the dynamic linker finds, the linker itself among them. OpenSSL and ICU are loaded by name when they are used, so they
    // are not in this list.
    private static IEnumerable<string> LibrariesOf(IEnumerable<string> files) => Run("ldd", [.. files]).Split('\n')
        .Select(line => line[(line.IndexOf("=>", StringComparison.Ordinal) + 1)..].TrimStart('>', ' ', '\t').Split(" (")[0].Trim())
        .Where(path => path.StartsWith('/') && File.Exists(path) && !path.StartsWith(DotnetRoot, StringComparison.Ordinal)).Distinct();

    private static string Run(string program, params string[] arguments)
    {
        var (code, output, error) = RunToEnd(program, arguments);
        Assert.That(code, Is.Zero, error);
        return output;
    }

    private static (int Code, string Output, string Error) RunToEnd(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_ROOT"] = "/runtime";
        using var run = Process.Start(start)!;
        var errors = run.StandardError.ReadToEndAsync();
        string output = run.StandardOutput.ReadToEnd();
        run.WaitForExit();
        return (run.ExitCode, output, errors.Result);
    }
}
