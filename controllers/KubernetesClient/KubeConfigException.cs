namespace k8s.Exceptions;

/// <summary>A kubeconfig lacks something, or asks for what this client does not support.</summary>
public sealed class KubeConfigException(string message, Exception? inner = null) : Exception(message, inner);
