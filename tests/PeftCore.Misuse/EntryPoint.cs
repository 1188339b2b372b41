using System.Reflection;
using System.Runtime.CompilerServices;
using PeftCore.Backends;
using PeftCore.Ilgpu;
using PeftCore.Nn;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Misuse;

/// <summary>A public constructor, method, operator, getter or setter.</summary>
internal sealed class EntryPoint
{
    // Generic methods are called with the first of these that their constraints take; the choice is part of the entry point.
    private static readonly Type[] TypeArguments =
        [typeof(Tensor), typeof(float), typeof(Linear), typeof(int), typeof(long), typeof(Embedding)];

    private readonly Func<object?, object?[], object?> _call;

    private EntryPoint(MethodBase method)
    {
        Method = method;
        Parameters = method.GetParameters();
        Receiver = method is MethodInfo { IsStatic: false } ? method.DeclaringType : null;
        string arguments = method is MethodInfo { IsGenericMethod: true } ? $"<{method.GetGenericArguments()[0].Name}>" : "";
        string name = method is ConstructorInfo ? "new" : method.Name;
        Name = $"{method.DeclaringType!.Name}.{name}{arguments}({string.Join(", ", Parameters.Select(p => p.ParameterType.Name))})";
        _call = Invoker.Of(method);
    }

    public MethodBase Method { get; }

    public ParameterInfo[] Parameters { get; }

    public string Name { get; }

    /// <summary>The type of the object that it is called on; null for a constructor or static method.</summary>
    public Type? Receiver { get; }

    /// <summary>How often it is drawn: getters and the members that the compiler writes for records have few ways to fail.</summary>
    public int Weight => Method.IsSpecialName && !Method.IsConstructor && !Method.Name.StartsWith("op_", StringComparison.Ordinal)
        || Method.GetCustomAttribute<CompilerGeneratedAttribute>() is not null ? 1 : 12;

    public object? Call(object? receiver, object?[] arguments) => _call(receiver, arguments);

    /// <summary>Every public entry point of the libraries, in a fixed order.</summary>
    public static List<EntryPoint> All()
    {
        Type[] homes = [typeof(Tensor), typeof(Tokenizer), typeof(IlgpuDevices)];
        return [.. homes.SelectMany(home => home.Assembly.GetExportedTypes()).SelectMany(Of)
            .OrderBy(entry => entry.Method.DeclaringType!.FullName, StringComparer.Ordinal)
            .ThenBy(entry => entry.Name, StringComparer.Ordinal)];
    }

    // Left out: measurements, which take seconds, and devices, which are opened once.
    private static bool IsLeftOut(Type type) => type == typeof(KernelBenchmarks) || type == typeof(IlgpuDevices)
        || type.IsEnum || type.IsSubclassOf(typeof(Exception)) || type.IsSubclassOf(typeof(Delegate));

    private static IEnumerable<EntryPoint> Of(Type type)
    {
        if (IsLeftOut(type) || type.Name.Contains('<', StringComparison.Ordinal))
        {
            yield break;
        }
        const BindingFlags Flags = BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        var owner = type.IsGenericTypeDefinition ? type.MakeGenericType(typeof(Peft.Vera.VeraConfig)) : type;
        IEnumerable<MethodBase> methods = owner.IsAbstract ? owner.GetMethods(Flags)
            : [.. owner.GetConstructors(), .. owner.GetMethods(Flags)];
        foreach (var method in methods)
        {
            if (method.Name.StartsWith('<'))
            {
                continue;
            }
            if (method is not MethodInfo { IsGenericMethodDefinition: true } generic)
            {
                yield return new EntryPoint(method);
                continue;
            }
            foreach (var closed in TypeArguments.Select(argument => Close(generic, argument)).OfType<MethodInfo>())
            {
                yield return new EntryPoint(closed);
            }
        }
    }

    private static MethodInfo? Close(MethodInfo generic, Type argument)
    {
        try
        {
            return generic.GetGenericArguments().Length == 1 ? generic.MakeGenericMethod(argument) : null;
        }
        catch (ArgumentException)
        {
            return null; // A constraint refuses the type.
        }
    }
}
