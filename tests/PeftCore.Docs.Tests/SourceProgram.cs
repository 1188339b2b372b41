using System.Reflection;
using System.Runtime.ExceptionServices;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace PeftCore.Docs.Tests;

/// <summary>A file-based program, compiled in memory as the SDK compiles it and run in this process. That takes a part of the seconds that
/// "dotnet run" takes. The compiled assembly has no access to internals of the library.</summary>
internal sealed class SourceProgram
{
    private static readonly CSharpParseOptions Parse = new CSharpParseOptions(LanguageVersion.CSharp14)
        .WithFeatures([new("FileBasedProgram", "true")]); // "#:" lines are directives

    private static readonly MetadataReference[] References = [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
        .Split(Path.PathSeparator).Where(path => Path.GetExtension(path) == ".dll").Select(path => MetadataReference.CreateFromFile(path))];

    /// <summary>The SDK's implicit usings.</summary>
    private static readonly string[] ImplicitUsings =
        ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Threading", "System.Threading.Tasks"];

    private readonly Assembly _assembly;

    private SourceProgram(Assembly assembly) => _assembly = assembly;

    /// <summary>Compiles sources, or fails the test with the compiler's messages; warnings are errors.</summary>
    /// <param name="name">Name of the assembly.</param>
    /// <param name="usings">Further global usings, such as "static Lesson".</param>
    /// <param name="sources">Path and text of each source.</param>
    public static SourceProgram Compile(string name, IEnumerable<string> usings, params IEnumerable<(string Path, string Text)> sources)
    {
        string global = string.Concat(ImplicitUsings.Concat(usings).Select(space => $"global using {space};\n"));
        var trees = sources.Append(("Usings.g.cs", global))
            .Select(source => CSharpSyntaxTree.ParseText(source.Item2, Parse, source.Item1, System.Text.Encoding.UTF8));
        var compilation = CSharpCompilation.Create(name, trees, References, new CSharpCompilationOptions(OutputKind.ConsoleApplication,
            optimizationLevel: OptimizationLevel.Release, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable,
            generalDiagnosticOption: ReportDiagnostic.Error,
            specificDiagnosticOptions: [new("CS1591", ReportDiagnostic.Suppress), new("CS1701", ReportDiagnostic.Suppress)]));
        using var image = new MemoryStream();
        var result = compilation.Emit(image);
        Assert.That(result.Success, Is.True,
            string.Join('\n', result.Diagnostics.Where(found => found.Severity == DiagnosticSeverity.Error).Take(20)));
        return new(Assembly.Load(image.ToArray()));
    }

    /// <summary>Runs the program and returns its exit code and what it printed.</summary>
    public (int Code, string Output) Run(params string[] arguments)
    {
        var console = Console.Out;
        using var output = new StringWriter { NewLine = "\n" };
        Console.SetOut(output);
        try
        {
            var entry = _assembly.EntryPoint!;
            object?[] given = entry.GetParameters().Length == 0 ? [] : [arguments];
            object? result = entry.Invoke(null, BindingFlags.DoNotWrapExceptions, null, given, null);
            return (result is int code ? code : 0, output.ToString());
        }
        catch (Exception thrown)
        {
            console.WriteLine(output);
            ExceptionDispatchInfo.Throw(thrown);
            throw;
        }
        finally
        {
            Console.SetOut(console);
        }
    }
}
